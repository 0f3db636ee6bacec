//! Between the model and the file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::SCHEMA;
use super::file::{self, File};
use crate::abi::Abi;
use crate::digest::sha256;
use crate::recording::{
    ArgumentUse, Arguments, Call, Caveat, Completeness, Host, Losses, Origin, Phase, Program,
    ReadError, Recording, Sample, Source, Start, Target, TargetKind, Tool,
};
use crate::scan::Reachable;

/// The key under which a call stands in the file: its name, or its number if it has none.
fn key(abi: Abi, number: u32) -> String {
    abi.syscall_name(number).map_or_else(|| number.to_string(), str::to_owned)
}

/// The number of a call in the file. The number counts: a table of another release may have no name
/// for it, or may have written it as a number where this one has a name.
fn resolve(place: &str, abi: Abi, name: &str, number: u32) -> Result<u32, ReadError> {
    match abi.syscall_number(name) {
        Some(named) if named != number => Err(ReadError::Inconsistent(format!(
            "`{place}` has number {number}, but {name} is number {named}"
        ))),
        _ => Ok(number),
    }
}

impl From<Caveat> for file::Caveat {
    fn from(caveat: Caveat) -> Self {
        match caveat {
            Caveat::EngineClient(program) => Self::EngineClient { program },
            Caveat::IoUring => Self::IoUring,
            Caveat::Listener => Self::Listener,
            Caveat::NoNewPrivs => Self::NoNewPrivs,
            Caveat::SupervisorRefused => Self::SupervisorRefused,
            Caveat::StillRunning(tasks) => Self::StillRunning { tasks },
            Caveat::TracedBy(tracer) => Self::TracedBy { tracer: tracer.name().to_owned() },
        }
    }
}

impl file::Caveat {
    fn into_model(self) -> Option<Caveat> {
        match self {
            Self::EngineClient { program } => Some(Caveat::EngineClient(program)),
            Self::IoUring => Some(Caveat::IoUring),
            Self::Listener => Some(Caveat::Listener),
            Self::NoNewPrivs => Some(Caveat::NoNewPrivs),
            Self::SupervisorRefused => Some(Caveat::SupervisorRefused),
            Self::StillRunning { tasks } => Some(Caveat::StillRunning(tasks)),
            // One that is not known is of a later release.
            Self::TracedBy { tracer } => tracer.parse().ok().map(Caveat::TracedBy),
            Self::Unknown => None,
        }
    }
}

impl File {
    pub(super) fn from_model(recording: &Recording) -> Self {
        let Losses { calls, programs, missed, tasks, starts, unread, partial } =
            recording.completeness.losses();
        let Host { kernel, arch } = recording.host.clone();
        let Tool { name, version } = recording.tool.clone();
        let abis = recording.calls.iter().map(|(abi, calls)| {
            let calls = calls
                .iter()
                .map(|(number, call)| (key(*abi, *number), file::Call::from_model(*number, call)));
            (*abi, file::AbiTable { syscalls: calls.collect() })
        });
        let executables = recording.programs.iter().map(|program| {
            file::Program::from_model(program, recording.reachable.get(&program.path))
        });
        let refused = recording.refused.iter().map(|((abi, number, errno), count)| {
            let syscall = key(*abi, *number);
            file::Refused { abi: *abi, syscall, number: *number, errno: *errno, count: *count }
        });
        Self {
            schema: SCHEMA.to_owned(),
            id: recording.origin.id.clone(),
            tool: file::Tool { name, version },
            host: file::Host { kernel, arch },
            target: file::Target::from_model(&recording.target),
            started: recording.started,
            finished: recording.finished,
            complete: recording.completeness == Completeness::Complete,
            losses: file::Losses { calls, programs, missed, tasks, starts, unread, partial },
            caveats: recording.caveats.iter().cloned().map(file::Caveat::from).collect(),
            programs: executables.collect(),
            abis: abis.collect(),
            refused: refused.collect(),
            samples: recording.samples.iter().map(file::Sample::from_model).collect(),
            sources: recording.origin.sources.iter().cloned().map(file::Source::from).collect(),
            parts: recording.origin.parts.iter().map(Self::from_model).collect(),
        }
    }

    /// What stands for the id of a recording that has none: the SHA-256 of all the rest, so that it
    /// is the same however the file is laid out.
    pub(super) fn hash(&self) -> Result<String, serde_json::Error> {
        Ok(sha256(&serde_json::to_vec(self)?))
    }

    pub(super) fn into_model(mut self) -> Result<Recording, ReadError> {
        let samples = std::mem::take(&mut self.samples);
        let samples = samples
            .into_iter()
            .map(|sample| sample.into_model(&self.abis))
            .collect::<Result<Vec<_>, _>>()?;
        let file::Losses { calls, programs, missed, tasks, starts, unread, partial } = self.losses;
        let losses = Losses { calls, programs, missed, tasks, starts, unread, partial };
        if self.complete != losses.is_zero() {
            return Err(ReadError::Inconsistent(format!(
                "`complete` is {}, but `losses` {}",
                self.complete,
                if losses.is_zero() { "are all zero" } else { "are not" },
            )));
        }
        let mut calls: BTreeMap<Abi, BTreeMap<u32, Call>> = BTreeMap::new();
        let programs: BTreeSet<&str> =
            self.programs.iter().map(|program| program.path.as_str()).collect();
        for (abi, table) in self.abis {
            let of_abi = calls.entry(abi).or_default();
            for (name, call) in table.syscalls {
                let place = format!("abis.{abi}.syscalls.{name}");
                let number = resolve(&place, abi, &name, call.number)?;
                let mut paths = call.programs.keys();
                if let Some(path) = paths.find(|path| !programs.contains(path.as_str())) {
                    return Err(ReadError::Inconsistent(format!(
                        "`{place}.programs` names `{path}`, which `programs` does not list"
                    )));
                }
                let arguments = call.arguments.as_ref();
                if arguments.is_some_and(|arguments| !arguments.fit_together()) {
                    return Err(ReadError::Inconsistent(format!(
                        "`{place}.arguments` does not have as many values as `indexes`, or an index \
                         above 5"
                    )));
                }
                of_abi.insert(number, call.into_model());
            }
        }
        let mut refused = BTreeMap::new();
        for file::Refused { abi, syscall, number, errno, count } in self.refused {
            let number = resolve("refused", abi, &syscall, number)?;
            *refused.entry((abi, number, errno)).or_default() += count;
        }
        let origin = Origin {
            id: self.id,
            sources: self.sources.into_iter().map(Source::from).collect(),
            parts: self.parts.into_iter().map(Self::into_model).collect::<Result<_, _>>()?,
        };
        let reachable = self.programs.iter_mut().filter_map(|program| {
            let reachable = program.reachable.take()?;
            Some((program.path.clone(), reachable.into_model()))
        });
        let reachable = reachable.collect();
        let mut recording = Recording {
            origin,
            tool: Tool { name: self.tool.name, version: self.tool.version },
            host: Host { kernel: self.host.kernel, arch: self.host.arch },
            target: self.target.into_model()?,
            started: self.started,
            finished: self.finished,
            completeness: losses.into(),
            caveats: self.caveats.into_iter().filter_map(file::Caveat::into_model).collect(),
            reachable,
            programs: self.programs.into_iter().map(Program::from).collect(),
            calls,
            refused,
            samples,
        };
        if recording.origin.id.is_empty() {
            recording.origin.id =
                Self::from_model(&recording).hash().map_err(ReadError::Malformed)?;
        }
        Ok(recording)
    }
}

impl file::Sample {
    fn from_model(sample: &Sample) -> Self {
        let calls = sample.calls.iter().map(|(abi, calls)| {
            (*abi, calls.iter().map(|(number, count)| (key(*abi, *number), *count)).collect())
        });
        let values = sample.values.iter().map(|(abi, calls)| {
            let of_call =
                |(number, values): (&u32, &BTreeSet<_>)| (key(*abi, *number), values.clone());
            (*abi, calls.iter().map(of_call).collect())
        });
        Self {
            name: sample.name.clone(),
            finished_ms: u64::try_from(sample.finished.as_millis()).unwrap_or(u64::MAX),
            recording: sample.recording.clone(),
            calls: calls.collect(),
            values: values.collect(),
        }
    }

    /// `abis` has the numbers of the calls, which a sample only names.
    fn into_model(self, abis: &BTreeMap<Abi, file::AbiTable>) -> Result<Sample, ReadError> {
        let calls = by_number(&self.name, self.calls, abis)?;
        let values = by_number(&self.name, self.values, abis)?;
        let finished = Duration::from_millis(self.finished_ms);
        Ok(Sample { recording: self.recording, finished, name: self.name, calls, values })
    }
}

/// What a sample of this name has of each call, by number instead of by name.
fn by_number<T>(
    sample: &str,
    by_name: BTreeMap<Abi, BTreeMap<String, T>>,
    abis: &BTreeMap<Abi, file::AbiTable>,
) -> Result<BTreeMap<Abi, BTreeMap<u32, T>>, ReadError> {
    let mut all: BTreeMap<Abi, BTreeMap<u32, T>> = BTreeMap::new();
    for (abi, calls) in by_name {
        let table = abis.get(&abi).map(|table| &table.syscalls);
        let of_abi = all.entry(abi).or_default();
        for (name, what) in calls {
            let call = table.and_then(|table| table.get(&name)).ok_or_else(|| {
                ReadError::Inconsistent(format!(
                    "sample `{sample}` has {abi} `{name}`, which `abis` does not list"
                ))
            })?;
            of_abi.insert(call.number, what);
        }
    }
    Ok(all)
}

impl From<Source> for file::Source {
    fn from(Source { id, name, started, finished }: Source) -> Self {
        Self { id, name, started, finished }
    }
}

impl From<file::Source> for Source {
    fn from(file::Source { id, name, started, finished }: file::Source) -> Self {
        Self { id, name, started, finished }
    }
}

impl file::Target {
    fn from_model(target: &Target) -> Self {
        let (kind, container) = match &target.kind {
            TargetKind::Command => (file::Kind::Command, None),
            TargetKind::Processes => (file::Kind::Processes, None),
            TargetKind::Container(container) => {
                (file::Kind::Container, Some(file::Container::from_model(container)))
            }
        };
        let start = match target.start {
            Start::Filter => file::Start::Filter,
            Start::Exec => file::Start::Exec,
            Start::Attached => file::Start::Attached,
        };
        let (name, command) = (target.name.clone(), target.command.clone());
        Self { kind, name, command, start, container }
    }

    fn into_model(self) -> Result<Target, ReadError> {
        let kind = match (self.kind, self.container) {
            (file::Kind::Command, _) => TargetKind::Command,
            (file::Kind::Processes, _) => TargetKind::Processes,
            (file::Kind::Container, container) => {
                let container = container.unwrap_or_default().into_model()?;
                TargetKind::Container(Box::new(container))
            }
        };
        let start = match self.start {
            file::Start::Filter => Start::Filter,
            file::Start::Exec => Start::Exec,
            file::Start::Attached => Start::Attached,
        };
        Ok(Target { kind, name: self.name, command: self.command, start })
    }
}

impl file::Program {
    fn from_model(program: &Program, reachable: Option<&Reachable>) -> Self {
        let Program { path, device, inode } = program.clone();
        let reachable = reachable.map(super::reachable::Reachable::from_model);
        Self { path, device, inode, reachable }
    }
}

impl From<file::Program> for Program {
    fn from(file::Program { path, device, inode, .. }: file::Program) -> Self {
        Self { path, device, inode }
    }
}

impl From<Phase> for file::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Runtime => Self::Runtime,
            Phase::Startup => Self::Startup,
            Phase::Running => Self::Running,
            Phase::Exec => Self::Exec,
        }
    }
}

impl From<file::Phase> for Phase {
    fn from(phase: file::Phase) -> Self {
        match phase {
            file::Phase::Runtime => Self::Runtime,
            file::Phase::Startup => Self::Startup,
            file::Phase::Running => Self::Running,
            file::Phase::Exec => Self::Exec,
        }
    }
}

impl file::Call {
    fn from_model(number: u32, call: &Call) -> Self {
        Self {
            number,
            count: call.count,
            first_seen_ms: milliseconds(call.first_seen),
            programs: call.programs.clone(),
            phases: phases_from_model(&call.phases),
            arguments: call.arguments.as_ref().map(file::Arguments::from_model),
        }
    }

    fn into_model(self) -> Call {
        Call {
            count: self.count,
            first_seen: Duration::from_millis(self.first_seen_ms),
            programs: self.programs,
            phases: phases_into_model(self.phases),
            arguments: self.arguments.map(file::Arguments::into_model),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn phases_from_model(phases: &BTreeMap<Phase, u64>) -> BTreeMap<file::Phase, u64> {
    phases.iter().map(|(phase, count)| ((*phase).into(), *count)).collect()
}

fn phases_into_model(phases: BTreeMap<file::Phase, u64>) -> BTreeMap<Phase, u64> {
    phases.into_iter().map(|(phase, count)| (phase.into(), count)).collect()
}

impl file::Arguments {
    fn from_model(arguments: &Arguments) -> Self {
        let values = arguments.values.iter().map(|(values, seen)| file::ArgumentUse {
            values: values.clone(),
            count: seen.count,
            first_seen_ms: milliseconds(seen.first_seen),
            programs: seen.programs.clone(),
            phases: phases_from_model(&seen.phases),
        });
        Self {
            indexes: arguments.indexes.clone(),
            values: values.collect(),
            overflow: arguments.overflow,
        }
    }

    fn fit_together(&self) -> bool {
        self.indexes.iter().all(|index| *index < 6)
            && self.values.iter().all(|one| one.values.len() == self.indexes.len())
    }

    fn into_model(self) -> Arguments {
        let values = self.values.into_iter().map(|one| {
            let seen = ArgumentUse {
                count: one.count,
                first_seen: Duration::from_millis(one.first_seen_ms),
                programs: one.programs,
                phases: phases_into_model(one.phases),
            };
            (one.values, seen)
        });
        Arguments { indexes: self.indexes, values: values.collect(), overflow: self.overflow }
    }
}
