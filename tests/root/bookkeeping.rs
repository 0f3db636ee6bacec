//! The probe's own tables: what is entered is left exactly once, however tasks come and go.

use std::collections::BTreeMap;
use std::process::Command;

use aya::maps::{Array, HashMap, Map, MapData, MapInfo};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::runtimes::{Bundle, Runtime, Way};
use crate::support::attacker::Attacker;
use crate::support::fixtures::Fixture;
use crate::support::kernel::{self, Bpf};
use crate::support::run::Strait;
use crate::support::spawned::Spawned;
use crate::support::{scratch, strait, wait};

/// Entries in one value of the table of tasks, as `probe-common` has it.
const PER_CHUNK: usize = 32;

/// The maps of a recorder, by name.
struct Tables(BTreeMap<String, u32>);

impl Tables {
    fn of_recorder(recorder: Pid) -> Self {
        let named = |(kind, id)| {
            let info = (kind == Bpf::Map).then(|| MapInfo::from_id(id).ok())??;
            Some((info.name_as_str()?.to_owned(), id))
        };
        Self(kernel::bpf_objects(recorder).into_iter().filter_map(named).collect())
    }

    fn map(&self, name: &str) -> MapData {
        MapData::from_id(self.0[name]).expect("the recorder has it")
    }

    /// Each element of an array of words.
    fn words(&self, name: &str) -> Vec<u64> {
        let map = Map::Array(self.map(name));
        let array: Array<&MapData, u64> = (&map).try_into().expect("words");
        array.iter().map(|word| word.expect("an element")).collect()
    }

    /// The ids of recorded tasks.
    fn tasks(&self) -> Vec<u32> {
        let map = Map::Array(self.map("TASKS"));
        let array: Array<&MapData, [u16; PER_CHUNK]> = (&map).try_into().expect("chunks");
        let chunks = array.iter().map(|chunk| chunk.expect("an element"));
        let entries = chunks.enumerate().flat_map(|(chunk, entries)| {
            (0..PER_CHUNK).map(move |index| (chunk * PER_CHUNK + index, entries[index]))
        });
        let recorded = entries.filter(|(_, entry)| *entry != 0);
        recorded.map(|(id, _)| u32::try_from(id).expect("an id")).collect()
    }

    /// The ids of tasks that descend from the command.
    fn descendants(&self) -> Vec<usize> {
        let words = self.words("DESCENDANTS");
        let ids = words.iter().enumerate().flat_map(|(index, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        });
        ids.collect()
    }

    fn keys(&self, name: &str) -> Vec<u32> {
        let map = Map::HashMap(self.map(name));
        let map: HashMap<&MapData, u32, u32> = (&map).try_into().expect("words");
        let mut keys: Vec<_> = map.keys().map(|key| key.expect("a key")).collect();
        keys.sort_unstable();
        keys
    }

    fn live(&self) -> u64 {
        self.words("LIVE")[0]
    }
}

/// Attaching while threads and processes come and go by hundreds a second: afterwards the one task that is left is in
/// each table once, and when it ends, none is.
#[test]
fn what_is_adopted_in_a_storm_is_left_once() {
    kernel::require_root();
    let dir = scratch();
    let mut storm = Command::new(Fixture::Dynamic("storm").build());
    storm.arg(Fixture::Bare("static").build());
    let mut storm = Spawned::start(storm);
    assert_eq!(storm.line(), "raging");
    let pid = storm.pid().to_string();
    let mut recorder =
        strait().args(["record", "-o", "r.json", "--pid", &pid]).in_dir(dir.path()).spawn();
    wait::until("the recorder has attached", || {
        let tables = Tables::of_recorder(recorder.pid());
        tables.0.contains_key("LIVE") && tables.live() > 0
    });
    let tables = Tables::of_recorder(recorder.pid());
    // It goes on until what it has started is recorded too: a set of its own for what a thread has executed.
    wait::until("a program was executed under the probe", || tables.words("USED")[1] > 1);
    storm.write("\n");
    assert_eq!(storm.line(), "calm");
    let only = vec![storm.pid().as_raw().cast_unsigned()];
    wait::until("what has ended has left", || tables.tasks() == only);
    assert_eq!((tables.live(), tables.keys("ENTERED")), (1, only));
    assert!(tables.words("FILTER").iter().all(|count| *count == 1), "nothing is told by its stack");
    storm.signal(Signal::SIGKILL);
    let (status, stderr) = recorder.end();
    assert_eq!(status, 0, "it ends with the last task\n{stderr}");
}

/// The same for a command, whose tasks are told by their stacks.
#[test]
fn what_a_command_starts_in_a_storm_is_left_once() {
    kernel::require_root();
    let dir = scratch();
    let mut recorder = strait()
        .args(["record", "-o", "r.json", "--"])
        .arg(Fixture::Dynamic("storm").build())
        .arg(Fixture::Bare("static").build())
        .in_dir(dir.path())
        .spawn();
    assert_eq!(recorder.line(), "raging");
    let tables = Tables::of_recorder(recorder.pid());
    wait::until("a program was executed", || tables.words("USED")[1] > 1);
    recorder.write("\n");
    assert_eq!(recorder.line(), "calm");
    wait::until("what has ended has left", || tables.tasks().len() == 1);
    assert_eq!(tables.live(), 1);
    let filter = tables.words("FILTER");
    assert_eq!(filter.iter().sum::<u64>(), 1, "{:?}", filter.iter().filter(|count| **count != 0));
    recorder.signal(Signal::SIGTERM);
    recorder.end();
}

/// The same where the command's containers are recorded, and not the command: what descends from it is told by a bit
/// for each task.
#[test]
fn what_descends_from_a_command_in_a_storm_is_left_once() {
    kernel::require_root();
    let dir = scratch();
    let mut recorder = strait()
        .args(["record", "--containers", "-o", ".", "--"])
        .arg(Fixture::Dynamic("storm").build())
        .arg(Fixture::Bare("static").build())
        .in_dir(dir.path())
        .spawn();
    assert_eq!(recorder.line(), "raging");
    let tables = Tables::of_recorder(recorder.pid());
    wait::until("some descend from it", || tables.descendants().len() > 1);
    recorder.write("\n");
    assert_eq!(recorder.line(), "calm");
    wait::until("what has ended has left", || tables.descendants().len() == 1);
    let filter = tables.words("FILTER");
    assert_eq!(filter.iter().sum::<u64>(), 1, "{:?}", filter.iter().filter(|count| **count != 0));
    recorder.signal(Signal::SIGTERM);
    recorder.end();
}

/// A recorder of the containers of a user of this test alone, so that no other recorder of the machine is short of
/// room, around what makes so many namespaces.
fn around_namespaces(user: &Attacker, arguments: &[&str]) -> Strait {
    let program = user.path("namespaces");
    let mut copy = Command::new("cp");
    copy.arg(Fixture::Dynamic("namespaces").build()).arg(&program);
    assert!(copy.status().expect("cp runs").success());
    strait()
        .args(["record", "--containers", "-o", ".", "--user"])
        .arg(format!("{0}:{0}", user.uid()))
        .args(["--", "sh", "-c"])
        .arg(format!("{} {}; cat", program.display(), arguments.join(" ")))
}

/// Namespaces by thousands, which are no containers: none of them keeps its place.
#[test]
fn namespaces_that_have_ended_give_their_place_back() {
    let (user, dir) = (Attacker::new(), scratch());
    let mut recorder = around_namespaces(&user, &["9000"]).in_dir(dir.path()).spawn();
    assert_eq!(recorder.line(), "made 9000");
    let tables = Tables::of_recorder(recorder.pid());
    let used = tables.words("USED")[0];
    assert!(used >= 9000, "each had a place, and not {used}");
    assert_eq!(tables.words("LOSSES"), [0; 4]);
    let (status, stderr) = recorder.finish();
    assert_eq!(status, 0, "{stderr}");
    assert!(!stderr.contains("incomplete"), "{stderr}");
}

/// More than there is room for at once: that is a loss, and the exit status says so where no recording does.
#[test]
fn more_namespaces_than_places_are_a_loss() {
    let (user, dir) = (Attacker::new(), scratch());
    around_namespaces(&user, &["4300", "hold"])
        .in_dir(dir.path())
        .expect_exit(4)
        .run()
        .says(&["incomplete", "a task could not be followed"]);
}

/// Two processors see a new namespace at the same moment, and each takes a place for it. What comes next is recorded.
#[test]
fn a_namespace_that_two_processors_see_first_hides_no_container() {
    let (dir, bundle) =
        (scratch(), Bundle::new(Runtime::Runc, Way::ALL[0], None, &["/bin/busybox", "true"]));
    let mut recorder = strait()
        .args(["record", "--containers", "-o"])
        .arg(dir.path())
        .args(["--", "sh", "-c", "\"$0\" 300; echo ready; cat"])
        .arg(Fixture::Dynamic("same_namespace").build())
        .spawn();
    assert_eq!(recorder.line(), "ready");
    assert!(bundle.run().status.success());
    let (status, stderr) = recorder.finish();
    assert_eq!(status, 0, "{stderr}");
    let file = dir.path().join(format!("{}.recording.json", bundle.id()));
    let recording: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).expect(&stderr)).unwrap();
    assert_eq!(recording["complete"], true);
}
