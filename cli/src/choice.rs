//! Options with a fixed list of values.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use strait_generator::choice::Choice;

/// Reads one of these, and shows all of them with what they are in help and completion.
pub fn one_of<T: Choice>() -> impl TypedValueParser<Value = T> {
    let value = |one: T| {
        let value = PossibleValue::new(one.name());
        if one.help().is_empty() { value } else { value.help(one.help()) }
    };
    PossibleValuesParser::new(T::all().into_iter().map(value))
        .try_map(|name| T::named(&name).ok_or("clap has let another name through"))
}
