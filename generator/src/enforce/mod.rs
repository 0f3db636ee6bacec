//! stub
/// stub
pub struct Program;
/// stub
pub fn install(_: &Program, _: bool) -> std::io::Result<()> {
    Ok(())
}
