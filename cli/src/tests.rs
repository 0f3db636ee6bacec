//! The command line: which options belong to the command, and what the help looks like.

use clap::{CommandFactory, Parser};

use super::{Cli, Command};

/// Columns of the help where standard output is not a terminal, and the most where it is one.
const COLUMNS: usize = 100;
/// Columns that examples have, so that no terminal breaks them.
const EXAMPLE_COLUMNS: usize = 80;

/// Every command that the help lists, with its options.
fn commands() -> Vec<clap::Command> {
    let mut all = Cli::command();
    all.build();
    let subcommands: Vec<_> =
        all.get_subcommands().filter(|one| !one.is_hide_set()).cloned().collect();
    std::iter::once(all)
        .chain(subcommands.into_iter().filter(|one| one.get_name() != "help"))
        .collect()
}

/// The parts of the command that `record` or `verify` would run.
fn command(args: &[&str]) -> Vec<String> {
    let cli = Cli::try_parse_from([&["strait"], args].concat()).unwrap();
    let command = match cli.command {
        Command::Record(args) => args.command,
        Command::Verify(args) => args.command,
        _ => panic!("neither record nor verify"),
    };
    command.into_iter().map(|part| part.into_string().unwrap()).collect()
}

#[test]
fn a_command_needs_no_dashes_before_it_and_keeps_its_own_options() {
    for (args, expected) in [
        (&["record", "ls"][..], &["ls"][..]),
        (&["record", "-o", "x", "ls", "-l"], &["ls", "-l"]),
        (&["record", "-o", "x", "--", "ls", "-l"], &["ls", "-l"]),
        (&["record", "ls", "--", "-l"], &["ls", "--", "-l"]),
        (
            &["record", "--", "sh", "-c", "true", "--", "--quiet"],
            &["sh", "-c", "true", "--", "--quiet"],
        ),
        (
            &["record", "docker", "run", "--user", "1", "-o", "y"],
            &["docker", "run", "--user", "1", "-o", "y"],
        ),
        (
            &["record", "--containers", "-o", "x", "docker", "compose", "up"],
            &["docker", "compose", "up"],
        ),
        (&["verify", "p.json", "ls", "-l"], &["ls", "-l"]),
        (&["verify", "p.json", "--", "ls", "-l"], &["ls", "-l"]),
        (&["verify", "p.json", "--no-new-privs", "ls", "--format"], &["ls", "--format"]),
    ] {
        assert_eq!(command(args), expected, "{args:?}");
    }
}

#[test]
fn an_option_of_the_command_line_is_known_or_an_error() {
    for args in [
        &["record", "--no-such-option", "ls"][..],
        &["record", "-l"],
        &["verify", "p.json", "--no-such-option", "ls"],
        &["verify", "p.json", "--"],
        &["record", "--pid", "1", "ls"],
    ] {
        assert!(Cli::try_parse_from([&["strait"], args].concat()).is_err(), "{args:?}");
    }
}

#[test]
fn every_option_is_in_a_group() {
    for command in commands() {
        let options =
            command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
        for option in options {
            assert!(
                option.get_help_heading().is_some(),
                "{} --{}: give it a help_heading",
                command.get_name(),
                option.get_id()
            );
        }
    }
}

#[test]
fn the_help_fits_a_terminal() {
    for mut command in commands() {
        let name = command.get_name().to_owned();
        let texts = [command.render_help().to_string(), command.render_long_help().to_string()];
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= COLUMNS, "{name}: {line}");
        }
        let footer = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in footer.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= EXAMPLE_COLUMNS, "{name}: {line}");
        }
    }
}

#[test]
fn every_command_says_what_it_does_and_shows_how() {
    for command in commands() {
        let name = command.get_name();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!((10..=80).contains(&about.chars().count()), "{name}: {about}");
        let footer = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(footer.starts_with("Example"), "{name} has no examples");
        // What is not an example is one line for each paragraph, which is wrapped where it is shown.
        for pair in footer.lines().collect::<Vec<_>>().windows(2) {
            let is_prose =
                |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.ends_with(':');
            assert!(!(is_prose(pair[0]) && is_prose(pair[1])), "{name}: {pair:?}");
        }
    }
}
