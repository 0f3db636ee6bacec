//! A container, between the model and the file.

use super::file;
use crate::recording::{Container, ContainerOrigin, ReadError};

impl file::Container {
    pub(super) fn from_model(container: &Container) -> Self {
        let container = container.clone();
        Self {
            id: container.id,
            engine: container.engine,
            name: container.name,
            image: container.image,
            image_digest: container.image_digest,
            labels: container.labels,
            runtime: container.runtime,
            runtime_version: container.runtime_version,
            no_new_privs: container.no_new_privs,
            bounding_set: container
                .bounding_set
                .map(|mask| format!("{mask:016x}"))
                .unwrap_or_default(),
            filtered: container.filtered,
            profile: container.profile,
            unconfirmed: container.unconfirmed,
            origin: container.origin.map(file::ContainerOrigin::from),
        }
    }

    pub(super) fn into_model(self) -> Result<Container, ReadError> {
        let bounding_set = match self.bounding_set.as_str() {
            "" => None,
            digits => Some(u64::from_str_radix(digits, 16).map_err(|_| {
                ReadError::Inconsistent(format!(
                    "`target.container.bounding_set` is `{digits}`, and not a hexadecimal number"
                ))
            })?),
        };
        Ok(Container {
            id: self.id,
            engine: self.engine,
            name: self.name,
            image: self.image,
            image_digest: self.image_digest,
            labels: self.labels,
            runtime: self.runtime,
            runtime_version: self.runtime_version,
            no_new_privs: self.no_new_privs,
            bounding_set,
            filtered: self.filtered,
            profile: self.profile,
            unconfirmed: self.unconfirmed,
            origin: self.origin.and_then(file::ContainerOrigin::into_model),
        })
    }
}

impl From<ContainerOrigin> for file::ContainerOrigin {
    fn from(origin: ContainerOrigin) -> Self {
        match origin {
            ContainerOrigin::Time => Self::Time,
            ContainerOrigin::Engine => Self::Engine,
            ContainerOrigin::Descent => Self::Descent,
        }
    }
}

impl file::ContainerOrigin {
    fn into_model(self) -> Option<ContainerOrigin> {
        Some(match self {
            Self::Time => ContainerOrigin::Time,
            Self::Engine => ContainerOrigin::Engine,
            Self::Descent => ContainerOrigin::Descent,
            Self::Unknown => return None,
        })
    }
}
