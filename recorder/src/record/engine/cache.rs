//! A cache of what engines reported, for containers that are gone when they are asked for, and of errors.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Description, Identity};

/// How many containers to remember: enough for all that can be waiting to be described.
const CONTAINERS: usize = 4096;

/// How many notes to keep, should an engine fail in ever new ways.
const NOTES: usize = 32;

#[derive(Default)]
struct Content {
    containers: HashMap<String, Description>,
    oldest: VecDeque<String>,
    notes: Vec<String>,
}

/// Shared by the code that asks the engines and the code that listens to them.
#[derive(Clone, Default)]
pub struct Cache(Arc<Mutex<Content>>);

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Content> {
        // No step in here leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what has been learned; it goes before what was known already.
    pub fn remember(&self, description: Description) {
        self.update(description.container.id.clone(), |known| {
            let before = std::mem::take(known);
            known.fill(description);
            known.fill(before);
        });
    }

    /// Adds what is worth less than what is known already.
    pub fn add(&self, description: Description) {
        self.update(description.container.id.clone(), |known| known.fill(description));
    }

    fn update(&self, id: String, change: impl FnOnce(&mut Description)) {
        let mut content = self.lock();
        if !content.containers.contains_key(&id) {
            content.oldest.push_back(id.clone());
        }
        change(content.containers.entry(id).or_default());
        while content.oldest.len() > CONTAINERS {
            if let Some(oldest) = content.oldest.pop_front() {
                content.containers.remove(&oldest);
            }
        }
    }

    /// What is known about a container.
    pub fn get(&self, id: &str) -> Option<Description> {
        self.lock().containers.get(id).cloned()
    }

    /// What is known about a container without asking anyone.
    pub fn description(&self, identity: &Identity) -> Description {
        let known = self.get(&identity.id).filter(|_| identity.is_trusted());
        let mut description = known.unwrap_or_default();
        description.fill(Description::from_identity(identity));
        description
    }

    /// Keeps a note for people, once.
    pub fn note(&self, note: String) {
        let notes = &mut self.lock().notes;
        if notes.len() < NOTES && !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// All notes, in the order of the first time.
    pub fn notes(&self) -> Vec<String> {
        self.lock().notes.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strait_generator::recording::Container;

    fn description(id: &str, name: &str, image: &str) -> Description {
        Description {
            container: Container {
                id: id.into(),
                name: name.into(),
                image: image.into(),
                ..Container::default()
            },
            ..Description::default()
        }
    }

    #[test]
    fn what_comes_later_goes_first_and_nothing_is_forgotten() {
        let cache = Cache::default();
        cache.remember(description("a", "old", "nginx"));
        cache.remember(description("a", "new", ""));
        let known = cache.get("a").unwrap().container;
        assert_eq!((&*known.name, &*known.image), ("new", "nginx"));
        cache.add(description("a", "worse", "worse"));
        assert_eq!(cache.get("a").unwrap().container, known);
        assert_eq!(cache.get("b"), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let cache = Cache::default();
        for number in 0..=CONTAINERS {
            cache.remember(description(&number.to_string(), "", ""));
        }
        assert_eq!(cache.get("0"), None);
        assert!(cache.get("1").is_some());
        assert!(cache.get(&CONTAINERS.to_string()).is_some());
    }

    #[test]
    fn notes_are_kept_once() {
        let cache = Cache::default();
        for _ in 0..2 {
            cache.note("slow".into());
        }
        assert_eq!(cache.notes(), ["slow"]);
    }
}
