//! Ways out of a script: files, modules, other code, time, and floods of output.

use super::{Attack, handler, whole};

pub fn attacks() -> Vec<Attack> {
    let mut all = outside();
    all.extend(floods());
    all
}

fn outside() -> Vec<Attack> {
    let refused: &[&str] = &["refused", "failed"];
    vec![
        whole("importing a file", "import \"/etc/passwd\" as p; alias(\"go\", || 1);", refused),
        whole(
            "importing the parent",
            "import \"../../secret\" as p; alias(\"go\", || 1);",
            refused,
        ),
        handler("importing while it runs", "import \"/etc/hostname\" as p; 1", refused),
        handler(
            "importing a made-up name",
            "let n = \"/etc/\" + \"hostname\"; import n as p; 1",
            refused,
        ),
        whole("a module of the system", "import \"os\" as os; os::exec(\"ls\");", refused),
        whole("eval", "alias(\"go\", || eval(\"1\"));", refused),
        handler("eval by its name", "let f = Fn(\"eval\"); f.call(\"1 + 1\")", refused),
        handler("eval by call", "call(\"eval\", \"1\")", refused),
        handler("exit", "exit(42)", &["failed error: `exit` is not available"]),
        handler("exit without a word", "exit()", &["failed error: `exit` is not available"]),
        handler(
            "exit in a callback",
            "[1].map(|x| exit(42)); 1",
            &["failed error: `exit` is not available"],
        ),
        handler(
            "exit by its name",
            "Fn(\"exit\").call(1)",
            &["failed error: `exit` is not available"],
        ),
        handler("sleeping on the thread", "sleep(30000000)", &["suspended"]),
        handler("sleeping on the thread by a name", "Fn(\"sleep\").call(30000000)", &["suspended"]),
        handler("the clock", "timestamp()", refused),
        handler("files", "open_file(\"/etc/passwd\")", refused),
        handler("the environment", "env(\"HOME\")", refused),
        handler(
            "a function of the engine",
            "get_fn_metadata_list().len() >= 0",
            &["returned", "failed"],
        ),
        handler(
            "a function that is called as a host function",
            "let say = |x| x; say.call(1)",
            &["returned 1 "],
        ),
        whole(
            "a function in place of a host function",
            "fn exec(a) { \"mine\" } alias(\"go\", || exec(\"x\"));",
            &["returned \"mine\"", "refused"],
        ),
        whole("an operator of one's own", "fn `+`(a, b) { 1 } alias(\"go\", || 1);", &["refused"]),
    ]
}

fn floods() -> Vec<Attack> {
    vec![
        handler(
            "printing without an end",
            "loop { print(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"); }",
            &["printed 16384 "],
        ),
        handler("printing nothing without an end", "loop { print(\"\"); }", &["printed 16384 "]),
        handler(
            "debugging without an end",
            "loop { debug(\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"); }",
            &["printed 16384 "],
        ),
        handler(
            "printing something long",
            "let s = \"\"; s.pad(250000, \"ä\"); print(s);",
            &["printed 1638", "failed"],
        ),
        handler("saying without an end", "loop { say(\"x\"); }", &["yielded"]),
        handler(
            "remembering without an end",
            "let n = 0; loop { n += 1; remember(`k${n}`, n); }",
            &["yielded"],
        ),
        handler("effects that are caught", "loop { try { say(\"x\"); } catch { } }", &["yielded"]),
        handler(
            "progress without an end",
            "let p = progress(\"x\"); loop { p.update(\"y\"); }",
            &["yielded"],
        ),
    ]
}
