//! The one program. It composes the crates and knows nothing itself: `main` alone prints errors and chooses exit
//! codes.
//!
//! - [`cli`]: the command line.
//! - [`serve`]: the reference registry.
//! - [`backup`]: a copy of the reference registry's database.
//! - [`config`]: looks at a configuration file.
//! - [`token`]: makes a bearer token.
//! - [`agents`]: lists the agents of a running registry, for people.
//! - [`events`]: tells what happens in a running registry, for people.
//! - [`loadtest`]: a scenario against a registry.
//! - [`compare`]: load tests beside one another.
//! - [`capacity`]: how much of a scenario a registry bears.
//! - [`peers`]: one scenario on every registry that is found here.
//! - [`scenario`]: looks at scenario files: what is wrong with them, and what they would ask for.
//! - [`doctor`]: whether this machine is fit for load tests.
//! - [`conformance`]: the requirements against a registry, or against all that are found here.
//! - [`replay`]: what a run against the requirements has failed on, to begin the next with.
//! - [`progress`]: what is shown while a run goes on, as plain lines; [`live`] is the view on a terminal.
//! - [`judge`]: a saved history judged again.
//! - [`report`]: the files of a run made again from its data.
//! - [`github`]: what GitHub Actions is told.
//! - [`run`]: what the three have in common: output folder, interruption, progress, the closing lines.

mod agents;
mod backup;
mod capacity;
mod cli;
mod compare;
mod config;
mod conformance;
mod doctor;
mod events;
mod github;
mod judge;
mod live;
mod loadtest;
mod peers;
mod progress;
mod replay;
mod report;
mod run;
mod scenario;
mod serve;
mod token;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is a usage error, 4 by our contract.
            let code = if error.use_stderr() { run::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let ended = match cli.command {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Loadtest(arguments) => loadtest::loadtest(&arguments),
        Command::LoadtestWorker => loadtest::work(),
        Command::RegistryRoom { words } => {
            Ok(u8::try_from(agent_sim::room::run(words)).unwrap_or(run::TROUBLE))
        }
        Command::ClockKeeper => Ok(u8::try_from(agent_sim::system_clock::keep()).unwrap_or(run::TROUBLE)),
        Command::Compare(arguments) => compare::compare_runs(&arguments),
        Command::Peers(arguments) => peers::peers(&arguments),
        Command::Scenario(command) => scenario::scenario(&command),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Conformance(arguments) => conformance::conformance(&arguments),
        Command::ConformancePage(arguments) => conformance::page::page(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Config(arguments) => config::config(&arguments),
        Command::Agents(arguments) => agents::agents(&arguments),
        Command::Token(arguments) => token::token(&arguments),
        Command::Events(arguments) => events::events(&arguments),
        Command::Judge(arguments) => judge::judge(&arguments),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.code)
        }
    }
}
