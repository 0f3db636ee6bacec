pub fn write(_root: &std::path::Path, _results: &super::results::Results) -> anyhow::Result<()> { Ok(()) }
