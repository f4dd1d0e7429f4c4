//! Bounds of executions that work together: how many one trigger continues, and how deep commands call one another.

use beadle::domain::named::{CALLS_DEEP_MAX, CONTINUED_MAX};

use crate::desk::Desk;

const WAITS: &str = r#"
    alias("wait {n}", #{ ack: false }, |a| { wait_for("deploy.finished"); say(`woke ${a.n}`); });
    alias("fire", || emit("deploy.finished"));
"#;

async fn says(desk: &Desk, text: &str) -> Vec<String> {
    desk.hand_over(vec![desk.says("ann", "#ops", text)], None).await;
    desk.settle().await.expect("the log works");
    desk.said()
}

/// Those that wait longest go on; the others wait for the next one.
#[tokio::test]
async fn one_trigger_continues_so_many_executions_and_no_more() {
    let desk = Desk::new(WAITS);
    let more = 2;
    for n in 0..CONTINUED_MAX + more {
        assert_eq!(says(&desk, &format!("!wait {n}")).await, Vec::<String>::new());
    }
    let woken = |from: usize, to: usize| (from..to).map(|n| format!("#ops: woke {n}")).collect();
    let sorted = |mut said: Vec<String>| {
        said.sort_by_key(|line| line.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()));
        said
    };
    let first: Vec<String> = woken(0, CONTINUED_MAX);
    assert_eq!(sorted(says(&desk, "!fire").await), first);
    let rest: Vec<String> = woken(CONTINUED_MAX, CONTINUED_MAX + more);
    assert_eq!(sorted(says(&desk, "!fire").await), rest);
}

#[tokio::test]
async fn commands_call_one_another_so_deep_and_no_deeper() {
    let level = |n: usize, most: usize| match n < most {
        true => format!("alias(\"level{n}\", || run(\"level{}\"));\n", n + 1),
        false => format!("alias(\"level{n}\", || \"the bottom\");\n"),
    };
    for (calls, want) in [
        (CALLS_DEEP_MAX, "it is the bottom".to_owned()),
        (CALLS_DEEP_MAX + 1, format!("commands call one another at most {CALLS_DEEP_MAX} deep")),
    ] {
        let levels: String = (1..=calls).map(|n| level(n, calls)).collect();
        let source = format!("{levels}alias(\"begin\", || reply(`it is ${{run(\"level1\")}}`));");
        let said = says(&Desk::new(&source), "!begin").await.join("\n");
        assert!(said.contains(&want), "{calls} calls: {said}");
    }
}
