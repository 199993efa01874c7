//! What `--help` says is looked at when it changes: `tests/help/` has it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const COMMANDS: [&str; 10] =
    ["", "verify", "inspect", "backup", "restore", "compact", "index-lag", "salvage", "export", "import"];
/// Set to write the files anew.
const REWRITE: &str = "BASALT_REWRITE_HELP";

#[test]
fn help_says_what_was_agreed_on() {
    for command in COMMANDS {
        let mut basaltctl = Command::new(env!("CARGO_BIN_EXE_basaltctl"));
        let arguments = [command, "--help"].into_iter().filter(|argument| !argument.is_empty());
        let output = basaltctl.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stdout).unwrap();
        let path = agreed(command);
        if std::env::var_os(REWRITE).is_some() {
            fs::write(&path, &said).unwrap();
        }
        let agreed = fs::read_to_string(&path).unwrap();
        assert_eq!(said, agreed, "{command}: read it, and run the test with {REWRITE}=1 if it is right");
        assert!(command.is_empty() || said.contains("basaltctl "), "{command} has an example");
    }
}

fn agreed(command: &str) -> PathBuf {
    let name = if command.is_empty() { "basaltctl" } else { command };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(format!("{name}.txt"))
}
