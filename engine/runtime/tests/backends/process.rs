//! What ends the process: a panic in a task. The test runs itself again as a child to see it.

use std::process::{Command, ExitStatus};

use basalt_runtime::{ShardSet, ShardSetOptions};

/// Set in the child.
const CHILD: &str = "BASALT_TEST_PANICS";

fn run_again(test: &str) -> ExitStatus {
    let program = std::env::current_exe().expect("the test has a program");
    let output = Command::new(program).args([test, "--exact", "--nocapture"]).env(CHILD, "1").output();
    output.expect("the test can be run again").status
}

#[test]
fn a_panic_in_a_task_ends_the_process() {
    if std::env::var_os(CHILD).is_some() {
        let set =
            ShardSet::start(ShardSetOptions { in_memory: true, ..ShardSetOptions::default() }, |context| {
                Box::pin(async move { context.handle.spawn(async { panic!("a broken invariant") }).await })
            });
        set.expect("the shard starts").join();
        // Reached only if the panic was swallowed; then the child ends as if all were well.
        return;
    }
    let status = run_again("process::a_panic_in_a_task_ends_the_process");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(SIGABRT), "{status}");
}

const SIGABRT: i32 = 6;
