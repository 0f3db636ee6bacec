//! The probe in the kernel: loads, attaches and reads it. Only this module uses aya.

macro_rules! map {
    ($self:ident . $name:ident as $kind:ty) => {{
        let map = $self.ebpf.map(stringify!($name));
        let map = map.ok_or(ProbeError::Missing(concat!("map ", stringify!($name))))?;
        <$kind>::try_from(map)
            .map_err(|source| ProbeError::Map { map: stringify!($name), source })?
    }};
}

mod arguments;
mod btf;
mod control;
mod kernel;
mod numbers;
mod requests;
mod room;
mod snapshot;

use std::borrow::Cow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;

use aya::maps::{Array, HashMap, MapData, MapError, RingBuf};
use aya::programs::RawTracePoint;
use aya::{Ebpf, EbpfLoader};
use aya_log::EbpfLogger;
use probe_common::control::{ADOPT, LEAVE};
use probe_common::{
    ArgumentRule, CONTAINERS, Config, Container, Counters, DESCENDANT_WORDS, ENTERED, Event,
    FILTER_ENTRIES, FILTERS, LookedAt, NUMBERS, Program, SET_FIRST, SET_MASK, STACK_BITS,
};
use thiserror::Error;

use super::privilege::Loading;
use kernel::Namespaces;

use requests::Requests;
use room::Given;

pub use arguments::values_of;
pub use btf::{Btf, BtfError};
pub use control::{is_initial_pid_namespace, owner_of};
pub use kernel::{Kernel, KernelError};
pub use numbers::{abi_of, abi_of_set, phase_of, watch_list};
#[cfg(test)]
pub use snapshot::SetCounts;
pub use snapshot::Snapshot;

/// The object built by `cargo xtask build-ebpf`.
static PREBUILT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/probe.bpf.o"));

/// Memory that counters take by default, over all CPUs.
const COUNTER_MEMORY: usize = 64 * 1024 * 1024;

/// Why the probe could not be used.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The object named by `STRAIT_PROBE_OBJECT` cannot be read.
    #[error("cannot read the probe {path} named by STRAIT_PROBE_OBJECT: {source}")]
    Object {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel refused a map, or the object is not one.
    #[error("the kernel rejected the probe: {0}. `strait -v record` shows more")]
    Load(#[from] aya::EbpfError),
    /// The kernel refused a program.
    #[error(
        "the kernel rejected the probe's program {program}: {why}. `strait -v record` shows the whole log of \
         its verifier"
    )]
    Program {
        /// Its name.
        program: &'static str,
        /// Why, without most of the log.
        why: String,
    },
    /// A map could not be read or written.
    #[error("cannot read what the probe has counted ({map}): {source}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        source: MapError,
    },
    /// The object lacks a part.
    #[error("the probe has no {0}: it was built for another release of Strait")]
    Missing(&'static str),
    /// The probe cannot be told what to do.
    #[error("cannot tell the probe where to begin: {0}. That needs Linux 5.10")]
    Control(#[source] std::io::Error),
    /// The probe's own messages cannot be read.
    #[error("cannot read the probe's messages: {0}")]
    Log(#[from] aya_log::Error),
}

impl ProbeError {
    /// A verifier's log has thousands of lines; what is wrong stands in the last but a few.
    fn program(program: &'static str, error: &aya::programs::ProgramError) -> Self {
        let text = error.to_string();
        log::debug!("{text}");
        let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
        let why = match lines.as_slice() {
            [first, _, .., a, b, _, _, _] => format!("{first} … {a}; {b}"),
            lines => lines.join("; "),
        };
        Self::Program { program, why }
    }
}

/// How the probe is to be loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many executables are to have counters of their own; `None`: as many as fit into 64 MiB,
    /// at least 64 and at most 1024.
    pub max_programs: Option<u16>,
    /// To watch for refused calls: by ABI and number, a bit for each argument that tells one refusal
    /// from another.
    pub refusals: Option<Vec<(u32, u32, u8)>>,
    /// Whether the probe itself is to say what it does.
    pub verbose: bool,
    /// To record containers, and not what this process forks.
    pub containers: Option<Containers>,
    /// Whether running tasks will be adopted, whose stacks are not known.
    pub adopts: bool,
}

/// How containers are to be recorded.
#[derive(Clone, Debug)]
pub struct Containers {
    /// How the kernel tells their mount namespaces apart.
    pub namespaces: Namespaces,
    /// Native calls of which the first says that a container is up.
    pub waits: Vec<u32>,
    /// Users whose containers are recorded, beside root: at most [`OWNERS`].
    pub owners: Vec<u32>,
    /// Whether this process forks a command whose containers are to be told from others.
    pub follows: bool,
}

/// The loaded probe. Nothing of it is pinned: it leaves the kernel with this value, or with the
/// process if that is killed.
pub struct Probe {
    ebpf: Ebpf,
    events: RingBuf<MapData>,
    pub(super) requests: Requests,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    sets: u16,
    /// What was given back to be given out again, and what was read before.
    given: Given,
    /// Whether each mount namespace that was there before the recording is known.
    knows_old: bool,
}

/// The most executables that can have counters of their own.
pub const MAX_PROGRAMS: u16 = SET_MASK - SET_FIRST;

/// Sets that each container may take, however few there are.
const FEWEST_SETS_PER_CONTAINER: u16 = 128;

/// Combinations of values of arguments that there is room for, over all calls and executables. A
/// hundred bytes each.
const ARGUMENT_VALUES: u32 = 16384;

/// Every program with the tracepoint that it is for; the last only where refusals are watched.
const PROGRAMS: [(&str, &str); 5] = [
    ("sched_process_exit", "sched_process_exit"),
    ("sched_process_exec", "sched_process_exec"),
    ("sched_process_fork", "sched_process_fork"),
    ("sys_enter", "sys_enter"),
    ("sys_exit", "sys_exit"),
];

impl Probe {
    /// Loads and attaches the probe. Nothing is recorded until this process forks.
    pub fn load(
        _stage: &Loading,
        mut config: Config,
        options: &Options,
    ) -> Result<Self, ProbeError> {
        let sets = options
            .max_programs
            .unwrap_or_else(|| default_programs(options.containers.is_some()))
            .min(MAX_PROGRAMS)
            .saturating_add(SET_FIRST);
        let keeps_filters = options.refusals.is_some() && options.containers.is_some();
        config.watch_refusals = u32::from(options.refusals.is_some());
        config.containers = u32::from(options.containers.is_some());
        config.adopts = u32::from(options.adopts);
        let follows = options.containers.as_ref().is_some_and(|containers| containers.follows);
        config.follows = u32::from(follows);
        config.sets = u32::from(sets);
        // A container that runs very many programs leaves room for others.
        config.sets_per_container = u32::from((sets / 8).max(FEWEST_SETS_PER_CONTAINER.min(sets)));
        let owners = options.containers.iter().flat_map(|containers| &containers.owners);
        config.owners.iter_mut().zip(owners).for_each(|(slot, owner)| *slot = *owner);
        let log_level: u8 = if options.verbose { log::Level::Debug as u8 } else { 0 };
        let mut ebpf = EbpfLoader::new()
            .btf(None)
            .override_global("CONFIG", &config, true)
            .override_global(aya_log::LEVEL, &log_level, false)
            .map_max_entries("COUNTERS", u32::from(sets))
            .map_max_entries("FIRST", u32::from(sets))
            .map_max_entries("PROGRAMS", u32::from(sets))
            .map_max_entries("SETS", u32::from(sets))
            .map_max_entries("FREE", u32::from(sets))
            .map_max_entries("ARGUMENTS", ARGUMENT_VALUES)
            .map_max_entries("ENTERED", if options.adopts { ENTERED } else { 1 })
            .map_max_entries("DESCENDANTS", if follows { DESCENDANT_WORDS } else { 1 })
            .map_max_entries("REQUESTS", requests::room(follows))
            .map_max_entries("CONTAINER_FILTERS", if keeps_filters { FILTERS } else { 1 })
            .load(&object()?)?;
        let logger = if options.verbose { Some(EbpfLogger::init(&mut ebpf)?) } else { None };
        let events = ebpf.take_map("EVENTS").ok_or(ProbeError::Missing("map EVENTS"))?;
        let events = RingBuf::try_from(events)
            .map_err(|source| ProbeError::Map { map: "EVENTS", source })?;
        let requests = Requests::from_ebpf(&mut ebpf)?;
        let given = Given::new(sets);
        let mut probe = Self { ebpf, events, requests, logger, sets, given, knows_old: true };
        probe.push("FREE", u32::from(SET_FIRST)..u32::from(probe.sets))?;
        if keeps_filters {
            probe.push("FREE_FILTERS", 0..FILTERS)?;
        }
        if let Some(containers) = &options.containers {
            probe.push("FREE_CONTAINERS", 1..CONTAINERS)?;
            probe.set_words("WAITS", containers.waits.iter().map(|number| (*number, 1)))?;
            probe.begin_with_new_namespaces(containers)?;
        }
        if options.adopts || !probe.stacks_are_as_expected() {
            log::debug!("kernel stacks are not laid out as expected; each call is looked up");
            probe.look_at_each_call()?;
        }
        probe.keep_arguments()?;
        if let Some(looked_at) = &options.refusals {
            probe.look_at(looked_at)?;
        }
        probe.attach(options.refusals.is_some())?;
        Ok(probe)
    }

    /// Takes every mount namespace that there is now for one that is not a new container's.
    fn begin_with_new_namespaces(&mut self, containers: &Containers) -> Result<(), ProbeError> {
        match containers.namespaces {
            Namespaces::InOrder => {
                let fd = self.control()?;
                self.knows_old = match control::in_a_new_namespace(fd) {
                    // Without CAP_SYS_ADMIN there is no new namespace to compare with.
                    Err(error) if error.raw_os_error() == Some(libc::EPERM) => false,
                    done => done.map(|()| true).map_err(ProbeError::Control)?,
                };
                Ok(())
            }
            Namespaces::Unordered => {
                let error = |source| ProbeError::Map { map: "OLD_NAMESPACES", source };
                let map = self.ebpf.map_mut("OLD_NAMESPACES");
                let map = map.ok_or(ProbeError::Missing("OLD_NAMESPACES"))?;
                let mut old: HashMap<_, u64, u32> = HashMap::try_from(map).map_err(error)?;
                let found = control::namespaces(&containers.owners).map_err(ProbeError::Control)?;
                for number in found.numbers {
                    old.insert(number, 1, 0).map_err(error)?;
                }
                self.knows_old = found.is_all;
                Ok(())
            }
        }
    }

    /// Whether the address of a call's registers tells on whose stack they are: measured on this very
    /// task, since a kernel may be built otherwise, and before 5.15 does not tell.
    fn stacks_are_as_expected(&mut self) -> bool {
        let measured =
            self.unattached("measure_stack").is_ok_and(|fd| control::run(fd, &[0; 5]).is_ok());
        let word = |index: u32| {
            let map = self.ebpf.map("STACK")?;
            Array::<_, u64>::try_from(map).ok()?.get(&index, 0).ok()
        };
        match (word(0), word(1)) {
            (Some(stack), Some(registers)) if measured && stack != 0 => {
                stack.trailing_zeros() >= STACK_BITS
                    && stack >> STACK_BITS == registers >> STACK_BITS
            }
            _ => false,
        }
    }

    /// Gives up telling recorded tasks by their stacks.
    fn look_at_each_call(&mut self) -> Result<(), ProbeError> {
        self.set_words("FILTER", (0..FILTER_ENTRIES).map(|index| (index, 1)))
    }

    /// Records, from now on, a task that runs already: its thread id, and inode and device of its
    /// executable.
    pub fn adopt(
        &mut self,
        _stage: &Loading,
        task: u32,
        inode: u64,
        device: u32,
    ) -> Result<(), ProbeError> {
        let fd = self.control()?;
        let arguments = [ADOPT, u64::from(task), inode, u64::from(device), 0];
        control::run(fd, &arguments).map_err(ProbeError::Control)
    }

    /// Records a task no more that had ended before it was adopted.
    pub fn leave(&mut self, _stage: &Loading, task: u32) -> Result<(), ProbeError> {
        let fd = self.control()?;
        control::run(fd, &[LEAVE, u64::from(task), 0, 0, 0]).map_err(ProbeError::Control)
    }

    fn control(&mut self) -> Result<RawFd, ProbeError> {
        self.unattached("control")
    }

    /// A program that is not attached but run, loaded when it is first needed.
    fn unattached(&mut self, name: &'static str) -> Result<RawFd, ProbeError> {
        let error = |error| ProbeError::program(name, &error);
        let program = self.ebpf.program_mut(name).ok_or(ProbeError::Missing(name))?;
        let program: &mut RawTracePoint = program.try_into().map_err(error)?;
        if program.fd().is_err() {
            program.load().map_err(error)?;
        }
        Ok(program.fd().map_err(error)?.as_fd().as_raw_fd())
    }

    /// A container, by its index as the probe has it now.
    fn container_at(&self, index: u32) -> Result<Container, ProbeError> {
        let containers = map!(self.CONTAINERS as Array<_, Container>);
        containers.get(&index, 0).map_err(|source| ProbeError::Map { map: "CONTAINERS", source })
    }

    /// Says what tells one refusal from another: the arguments that were asked for, and those that have a rule.
    fn look_at(&mut self, arguments: &[(u32, u32, u8)]) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: "LOOKED_AT", source };
        let map = self.ebpf.map_mut("LOOKED_AT").ok_or(ProbeError::Missing("LOOKED_AT"))?;
        let mut table: Array<_, LookedAt> = Array::try_from(map).map_err(error)?;
        for ((abi, number), looked_at) in arguments::told_apart(arguments) {
            table.set(abi * NUMBERS as u32 + number, looked_at, 0).map_err(error)?;
        }
        Ok(())
    }

    /// Hands out the rules by which values of arguments are kept.
    fn keep_arguments(&mut self) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: "RULES", source };
        let map = self.ebpf.map_mut("RULES").ok_or(ProbeError::Missing("RULES"))?;
        let mut rules: Array<_, ArgumentRule> = Array::try_from(map).map_err(error)?;
        for (abi, number, rule) in arguments::rules() {
            rules.set(abi * NUMBERS as u32 + number, rule, 0).map_err(error)?;
        }
        Ok(())
    }

    fn set_words(
        &mut self,
        name: &'static str,
        words: impl Iterator<Item = (u32, u64)>,
    ) -> Result<(), ProbeError> {
        let error = |source| ProbeError::Map { map: name, source };
        let map = self.ebpf.map_mut(name).ok_or(ProbeError::Missing(name))?;
        let mut table: Array<_, u64> = Array::try_from(map).map_err(error)?;
        for (index, word) in words {
            table.set(index, word, 0).map_err(error)?;
        }
        Ok(())
    }

    /// Attaches what follows tasks before what counts their calls.
    fn attach(&mut self, refusals: bool) -> Result<(), ProbeError> {
        let programs = if refusals { &PROGRAMS[..] } else { &PROGRAMS[..PROGRAMS.len() - 1] };
        for (name, tracepoint) in programs {
            let error = |error| ProbeError::program(name, &error);
            let program = self.ebpf.program_mut(name).ok_or(ProbeError::Missing(name))?;
            let program: &mut RawTracePoint = program.try_into().map_err(error)?;
            program.load().map_err(error)?;
            program.attach(tracepoint).map_err(error)?;
        }
        Ok(())
    }

    /// Becomes readable when there are events.
    pub fn events_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// The next rare fact, if there is one.
    pub fn next_event(&mut self) -> Option<Event> {
        let item = self.events.next()?;
        if item.len() < size_of::<Event>() {
            return None;
        }
        // SAFETY: long enough, and valid for any bit pattern.
        Some(unsafe { item.as_ptr().cast::<Event>().read_unaligned() })
    }

    /// Hands the probe's own messages to the logger.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// The executable of a set that the probe has announced, with the set's number in a [`Snapshot`]; `None` if the
    /// probe has not filled it in yet.
    pub fn program(&self, set: u32) -> Result<Option<(u32, Program)>, ProbeError> {
        let programs = map!(self.PROGRAMS as Array<_, Program>);
        let program =
            programs.get(&set, 0).map_err(|source| ProbeError::Map { map: "PROGRAMS", source })?;
        Ok((program.ready == 1).then(|| (self.given.set(set), program)))
    }

    /// How many tasks were started in mount namespaces of users whose containers are not recorded.
    pub fn strangers(&self) -> Result<u64, ProbeError> {
        let strangers = map!(self.STRANGERS as Array<_, u64>);
        strangers.get(&0, 0).map_err(|source| ProbeError::Map { map: "STRANGERS", source })
    }

    /// Whether what is taken for a new container can be none that was there before.
    pub fn knows_old(&self) -> bool {
        self.knows_old
    }

    /// How many tasks are recorded now.
    pub fn live(&self) -> Result<u64, ProbeError> {
        let live = map!(self.LIVE as Array<_, u64>);
        live.get(&0, 0).map_err(|source| ProbeError::Map { map: "LIVE", source })
    }
}

/// As many as fit, since each takes a page and more on every CPU. Containers need more: an executable
/// has a set in each of them, and in each phase.
fn default_programs(containers: bool) -> u16 {
    let cpus = aya::util::nr_cpus().unwrap_or(1).max(1);
    let fit = COUNTER_MEMORY / size_of::<Counters>() / cpus;
    let (fewest, most) = if containers { (1024, 4096) } else { (64, 1024) };
    u16::try_from(fit.clamp(fewest, most)).unwrap_or(u16::MAX)
}

fn object() -> Result<Cow<'static, [u8]>, ProbeError> {
    match std::env::var_os("STRAIT_PROBE_OBJECT") {
        None => Ok(Cow::Borrowed(PREBUILT)),
        Some(path) => {
            let path = PathBuf::from(path);
            let bytes = std::fs::read(&path)
                .map_err(|source| ProbeError::Object { path: path.clone(), source })?;
            Ok(Cow::Owned(bytes))
        }
    }
}
