//! Which profile is for which container.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ManifestError;
use super::pod::{Container, Pod};
use super::tree::Tree;

/// A profile to put into manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file, as it was given.
    pub file: String,
    /// What containers or images it is for: its application, and its file's name if that is another.
    pub names: Vec<String>,
    /// The value of `localhostProfile`.
    pub localhost: String,
}

/// `--map container=profile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The workload's name, if only there.
    pub workload: Option<String>,
    /// The container's name.
    pub container: String,
    /// Index of the profile.
    pub profile: usize,
}

/// Profiles and who they are for.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    /// The profiles.
    pub candidates: Vec<Candidate>,
    /// What was said expressly, which counts for more than names.
    pub mappings: Vec<Mapping>,
}

/// What was of use so far, over all files.
#[derive(Clone, Debug, Default)]
pub struct Used {
    /// Indexes of profiles that have a container.
    pub profiles: BTreeSet<usize>,
    /// Indexes of mappings that have a container.
    pub mappings: BTreeSet<usize>,
    /// For profiles that were matched by name, the first container with an image.
    matched: BTreeMap<usize, Matched>,
}

/// A container, and its image's name without registry, tag and digest.
#[derive(Clone, Debug)]
struct Matched {
    image: String,
    workload: String,
    container: String,
}

impl Profiles {
    /// The profile of a container, by its index.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Ambiguous`] if several claim it, and [`ManifestError::DifferentImages`] if by its name
    /// one claims containers of workloads with different images: different targets never share a profile
    /// without a word.
    pub fn profile_of(
        &self,
        tree: &Tree,
        pod: &Pod,
        container: &Container,
        used: &mut Used,
    ) -> Result<Option<usize>, ManifestError> {
        let is_meant = |mapping: &Mapping| {
            mapping.container == container.name
                && mapping.workload.as_ref().is_none_or(|name| *name == pod.name)
        };
        let mut mapped = BTreeSet::new();
        for (index, mapping) in self.mappings.iter().enumerate() {
            if is_meant(mapping) {
                used.mappings.insert(index);
                mapped.insert(mapping.profile);
            }
        }
        let by_name = mapped.is_empty();
        let claims = if by_name { self.by_name(container) } else { mapped };
        let mut claims_in_order = claims.iter();
        match (claims_in_order.next(), claims_in_order.next()) {
            (Some(one), None) => {
                if by_name {
                    self.check_image(*one, tree, pod, container, used)?;
                }
                used.profiles.insert(*one);
                Ok(Some(*one))
            }
            (None, _) => Ok(None),
            (Some(_), Some(_)) => {
                let files: Vec<&str> = claims
                    .iter()
                    .filter_map(|index| self.candidates.get(*index))
                    .map(|candidate| candidate.file.as_str())
                    .collect();
                Err(ManifestError::Ambiguous {
                    at: tree.position(container.node),
                    container: container.name.clone(),
                    profiles: files.join(", "),
                })
            }
        }
    }

    /// Refuses a container of another workload than before if its image is another one, too.
    fn check_image(
        &self,
        profile: usize,
        tree: &Tree,
        pod: &Pod,
        container: &Container,
        used: &mut Used,
    ) -> Result<(), ManifestError> {
        let image = container.image_name();
        if image.is_empty() {
            return Ok(());
        }
        let here = Matched {
            image: image.to_owned(),
            workload: pod.name.clone(),
            container: format!("{} of {} (image {image})", container.name, pod.owner),
        };
        let before = used.matched.entry(profile).or_insert_with(|| here.clone());
        if before.image == here.image || before.workload == here.workload {
            return Ok(());
        }
        let file = self.candidates.get(profile).map(|candidate| candidate.file.clone());
        Err(ManifestError::DifferentImages {
            at: tree.position(container.node),
            profile: file.unwrap_or_default(),
            here: here.container,
            before: before.container.clone(),
        })
    }

    /// Those that are called as the container or its image.
    fn by_name(&self, container: &Container) -> BTreeSet<usize> {
        let image = container.image_name();
        let claims = |candidate: &Candidate| {
            let names = &candidate.names;
            names.iter().any(|name| !name.is_empty() && (*name == container.name || name == image))
        };
        let candidates = self.candidates.iter().enumerate();
        candidates.filter(|(_, candidate)| claims(candidate)).map(|(index, _)| index).collect()
    }
}
