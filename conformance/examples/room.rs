//! The first process of a room, for tests: the program of the suite has the same as a sub-command.

fn main() {
    std::process::exit(agent_sim::room::run(std::env::args_os().skip(1).collect()));
}
