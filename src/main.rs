//! Parses the command line, runs it, prints errors with a hint, sets the exit status.

fn main() -> std::process::ExitCode {
    beadle::cli::main()
}
