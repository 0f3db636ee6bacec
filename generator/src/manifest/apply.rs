//! Sets profiles on pods: `strait apply`.

use super::assign::{Profiles, Used};
use super::error::ManifestError;
use super::plan::Plan;
use super::pod::{Container, Pod};
use super::tree::Tree;
use super::value::Value;
use super::{Edited, Manifest};

/// Where a profile goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// To each container that it is for.
    #[default]
    Container,
    /// To the pod, if it is for all of its containers.
    Pod,
}

crate::choice::choices!(Level {
    Container => "container", "To each container";
    Pod => "pod", "To the pod";
});

/// How to apply profiles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Where they go.
    pub level: Level,
    /// Also set `allowPrivilegeEscalation: false` on the containers that get one.
    pub no_escalation: bool,
    /// Also remove annotations that are no longer read.
    pub fix: bool,
}

/// What came of one file.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The file afterwards.
    pub edited: Edited,
    /// Containers that have a profile now, whether or not something had to be changed for it.
    pub served: Vec<Served>,
    /// Linux containers that no profile is for: the pod's and the container's name.
    pub unserved: Vec<(String, String)>,
    /// Windows pods that a profile would have been for.
    pub windows: Vec<String>,
}

impl Applied {
    /// Of a file that stays as it is.
    #[must_use]
    pub fn nothing(text: &str) -> Self {
        let edited = Edited { text: text.to_owned(), splices: Vec::new() };
        let (served, unserved, windows) = Default::default();
        Self { edited, served, unserved, windows }
    }
}

/// A container and its profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// What the container belongs to.
    pub owner: String,
    /// Its name.
    pub container: String,
    /// Index of the profile.
    pub profile: usize,
}

/// Puts profiles into the pods of a file.
///
/// # Errors
///
/// [`ManifestError`] if two profiles are for one container, or the file cannot be edited safely.
pub fn apply(
    manifest: &Manifest<'_>,
    profiles: &Profiles,
    options: Options,
    used: &mut Used,
) -> Result<Applied, ManifestError> {
    let mut plan = Plan::new(&manifest.tree);
    let (mut served, mut unserved, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    for pod in manifest.editable() {
        let mut assigned = Vec::new();
        for container in &pod.containers {
            let mut ignored = Used::default();
            let used = if pod.windows { &mut ignored } else { &mut *used };
            let profile = profiles.profile_of(&manifest.tree, pod, container, used)?;
            assigned.push((container, profile));
        }
        if pod.windows {
            if assigned.iter().any(|(_, profile)| profile.is_some()) {
                windows.push(pod.owner.clone());
            }
            continue;
        }
        for (container, profile) in &assigned {
            let (owner, container) = (pod.owner.clone(), container.name.clone());
            match profile {
                Some(profile) => served.push(Served { owner, container, profile: *profile }),
                None => unserved.push((owner, container)),
            }
        }
        if assigned.iter().any(|(_, profile)| profile.is_some()) {
            let job = Job { manifest, profiles, options, pod, assigned: &assigned };
            job.plan(&mut plan)?;
            if options.fix {
                super::fix::remove_annotations(&manifest.tree, pod, &mut plan)?;
            }
        }
    }
    Ok(Applied { edited: manifest.edit(plan)?, served, unserved, windows })
}

/// One pod with the profiles of its containers.
struct Job<'a> {
    manifest: &'a Manifest<'a>,
    profiles: &'a Profiles,
    options: Options,
    pod: &'a Pod,
    assigned: &'a [(&'a Container, Option<usize>)],
}

impl Job<'_> {
    fn localhost(&self, profile: usize) -> &str {
        self.profiles.candidates.get(profile).map_or("", |candidate| &candidate.localhost)
    }

    fn plan(&self, plan: &mut Plan<'_>) -> Result<(), ManifestError> {
        match self.options.level {
            Level::Container => self.plan_containers(plan),
            Level::Pod => self.plan_pod(plan),
        }
    }

    fn plan_containers(&self, plan: &mut Plan<'_>) -> Result<(), ManifestError> {
        let tree = &self.manifest.tree;
        for (container, profile) in self.assigned {
            let Some(profile) = *profile else { continue };
            let name = self.localhost(profile);
            let mut wanted = Vec::new();
            if effective(tree, self.pod, container) != Some(("Localhost", Some(name))) {
                let value = Value::seccomp_profile("Localhost", Some(name));
                wanted.push(("seccompProfile".to_owned(), value));
            }
            self.want_for(plan, container, wanted)?;
        }
        Ok(())
    }

    fn plan_pod(&self, plan: &mut Plan<'_>) -> Result<(), ManifestError> {
        let tree = &self.manifest.tree;
        let profile = self.only_profile()?;
        let value = Value::seccomp_profile("Localhost", Some(self.localhost(profile)));
        let wanted = Value::map("seccompProfile", value.clone());
        let what = format!("the pod of {}", self.pod.owner);
        plan.want(self.pod.spec, &[("securityContext".to_owned(), wanted)], &what)?;
        for (container, _) in self.assigned {
            let mut wanted = Vec::new();
            // What a container says for itself counts for more than what the pod says.
            if tree.find(container.node, &["securityContext", "seccompProfile"]).is_some() {
                wanted.push(("seccompProfile".to_owned(), value.clone()));
            }
            self.want_for(plan, container, wanted)?;
        }
        Ok(())
    }

    fn want_for(
        &self,
        plan: &mut Plan<'_>,
        container: &Container,
        mut wanted: Vec<(String, Value)>,
    ) -> Result<(), ManifestError> {
        if self.options.no_escalation {
            wanted.push(("allowPrivilegeEscalation".to_owned(), Value::Bool(false)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let what = format!("container {}", container.name);
        plan.want(container.node, &[("securityContext".to_owned(), Value::Map(wanted))], &what)
    }

    /// The profile of all containers.
    fn only_profile(&self) -> Result<usize, ManifestError> {
        let refuse = |reason: String| ManifestError::NotOneProfile {
            at: self.manifest.tree.position(self.pod.spec),
            pod: self.pod.owner.clone(),
            reason,
        };
        if !self.pod.pod_level {
            return Err(refuse("this kind takes a profile only for a container".to_owned()));
        }
        let mut profiles = self.assigned.iter().map(|(_, profile)| *profile);
        let first = profiles.next().flatten();
        match first.filter(|first| profiles.all(|profile| profile == Some(*first))) {
            Some(profile) => Ok(profile),
            None => {
                let each: Vec<String> = self
                    .assigned
                    .iter()
                    .map(|(container, profile)| {
                        let file = profile.and_then(|index| self.profiles.candidates.get(index));
                        let file = file.map_or("none", |candidate| candidate.file.as_str());
                        format!("{} has {file}", container.name)
                    })
                    .collect();
                Err(refuse(each.join(", ")))
            }
        }
    }
}

/// The type and the `localhostProfile` that are in force for a container: its own or the pod's.
#[must_use]
pub fn effective<'t>(
    tree: &'t Tree,
    pod: &Pod,
    container: &Container,
) -> Option<(&'t str, Option<&'t str>)> {
    let profile = ["securityContext", "seccompProfile"];
    let node = container.find(tree, &profile).or_else(|| pod.find(tree, &profile))?;
    Some((tree.find_text(node, &["type"])?, tree.find_text(node, &["localhostProfile"])))
}
