//! Identities of containers, as far as they can be trusted.

use std::collections::BTreeMap;

use crate::record::engine::{Description, Identity, display_name, unconfirmed_name};
use strait_generator::recording::Container;

/// Who a container is, and what is known about it.
pub(super) type Known = BTreeMap<u32, (Identity, Description)>;

/// What a container is called and what is known about it, as far as that can be believed.
pub(super) fn trusted(identity: &Identity, description: &Description) -> (String, Description) {
    if identity.is_trusted() || description.confirmed {
        return (display_name(&description.container, identity), description.clone());
    }
    let name = unconfirmed_name(identity);
    let container = Container {
        id: format!("pid-{}", identity.pid),
        unconfirmed: true,
        ..Container::default()
    };
    let mut nothing = Description::default();
    nothing.container = container;
    (name, nothing)
}
