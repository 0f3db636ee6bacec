//! The parameters of a request, as Go reads them.

/// The values of a parameter, in their order; `None` if Go refuses the query.
///
/// Go `net/url`, `parseQuery`. podman takes parameters' names in any case (gorilla/schema).
pub fn values(query: &str, name: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        // Before Go 1.17 it parted parameters, and since then it is an error.
        if parameter.contains(';') {
            return None;
        }
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if key.eq_ignore_ascii_case(name) {
            values.push(value);
        }
    }
    Some(values)
}

fn decode(text: &str) -> Option<String> {
    let decoded = super::target::decode(&text.replace('+', " "))?;
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let names = |query: &str| values(query, "name");
        let found = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(names("name=web&platform="), found(&["web"]));
        assert_eq!(names("a=1&n%61me=%2Fw%65b+1"), found(&["/web 1"]));
        assert_eq!(names("name=a&Name=b"), found(&["a", "b"]));
        assert_eq!(names(""), found(&[]));
        for query in ["name=%zz", "a=1;name=web", "name=%ff"] {
            assert_eq!(names(query), None, "{query}");
        }
    }
}
