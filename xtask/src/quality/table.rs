pub fn text(_results: &super::results::Results) -> String { String::new() }
