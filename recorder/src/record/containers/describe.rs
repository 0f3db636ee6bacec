//! Identifies and describes new containers.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, sleep_until};

use super::known::Known;
use super::programs::Programs;
use crate::record::engine::{
    Description, Engines, Identity, ObservedTask, Only, display_name, identify,
};
use crate::record::session::{self, Unwanted};
use crate::record::session::{FOR_WRITING, SOON, Signals};

/// How long no container may start before engines are asked: a busy engine takes its time to
/// answer.
const QUIET: Duration = Duration::from_millis(50);

/// A container that has begun.
pub(super) struct NewContainer {
    pub index: u32,
    /// The container in which it was made; 0 for none.
    pub parent: u32,
    pub task: ObservedTask,
}

/// Which containers are recorded.
pub(super) struct Choice {
    pub only: Vec<Only>,
    /// The others, so that they take no room. One within another is left alone: it belongs to a recording of that one.
    pub unwanted: Unwanted,
    /// Their names.
    pub others: Rc<RefCell<BTreeSet<String>>>,
    /// Their programs are not scanned either.
    pub programs: Option<Programs>,
}

impl Choice {
    fn consider(&self, index: u32, identity: &Identity, description: &Description) {
        let name = display_name(&description.container, identity);
        let is_wanted = self.only.is_empty()
            || self.only.iter().any(|only| only.matches(&description.container, &name));
        if !is_wanted {
            self.leave_out(index);
            self.others.borrow_mut().insert(name);
        }
    }

    fn leave_out(&self, index: u32) {
        self.unwanted.add(index);
        if let Some(programs) = &self.programs {
            programs.leave_out(index, "its container is not recorded");
        }
    }
}

/// Finds out who the containers are that were observed. What will soon be gone is read at once, for
/// each; their engines are asked one after the other when nothing else comes in. What is no container is left out.
pub(super) async fn describe_all(
    mut seen: mpsc::UnboundedReceiver<NewContainer>,
    engines: &mut Engines,
    known: &RefCell<Known>,
    choice: &Choice,
) {
    let mut waiting = VecDeque::new();
    loop {
        tokio::select! {
            biased;
            observed = seen.recv() => match observed {
                Some(NewContainer { index, parent, task }) => match identify(&task) {
                    Some(identity) => {
                        engines.poll(&identity);
                        waiting.push_back((index, parent, identity));
                    }
                    None => {
                        log::debug!("{task:?} is no container");
                        if parent == 0 {
                            choice.leave_out(index);
                        }
                    }
                },
                None => break,
            },
            () = sleep(QUIET), if !waiting.is_empty() => {
                if let Some(next) = waiting.pop_front() {
                    describe(next, engines, known, choice).await;
                }
            }
        }
    }
    for next in waiting {
        describe(next, engines, known, choice).await;
    }
}

/// Once watching has ended: ends when there is just time enough left to write what was recorded, if a signal has asked
/// for the end or does so now.
pub(super) async fn until_time_is_short(watching: oneshot::Receiver<()>, signals: &Signals) {
    // It ends with an error, since nothing is sent.
    let _ = watching.await;
    if signals.stopped().is_none() {
        let Ok(readable) = session::watch(signals.as_fd()) else { return };
        while !signals.asked_to_stop().unwrap_or(true) {
            match readable.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => return,
            }
        }
    } else {
        let _ = signals.end_at_the_next();
    }
    if let Some((_, since)) = signals.stopped() {
        sleep_until(since + (SOON - FOR_WRITING)).await;
    }
}

async fn describe(
    (index, parent, identity): (u32, u32, Identity),
    engines: &mut Engines,
    known: &RefCell<Known>,
    choice: &Choice,
) {
    let description = engines.describe(&identity).await;
    // If all was known without asking, this is where others come to their turn.
    tokio::task::yield_now().await;
    if parent == 0 {
        choice.consider(index, &identity, &description);
    }
    known.borrow_mut().insert(index, (identity, description));
}
