//! That the bridges in use run: each that has an address is asked there.

use crate::adapter::alive::alive;
use crate::adapter::matrix::Finding;
use crate::app::direct_client;
use crate::config::Config;

/// One finding for each bridge in use that can say whether it runs.
pub async fn bridges(config: &Config) -> Vec<Finding> {
    let client = direct_client(config);
    let mut found = vec![];
    for profile in config.bridges.used().filter(|profile| profile.health.is_some()) {
        let name = &profile.name;
        let asked = config.bridges.asked().find(|(asked, ..)| asked.name == *name);
        let Some((_, at, path)) = asked else {
            found.push(Finding::good("bridge", unasked(name)));
            continue;
        };
        found.push(match alive(&client, at, path).await {
            Ok(()) => Finding::good("bridge", format!("{name} answers at {at}")),
            Err(why) => Finding::bad(
                "bridge",
                format!("{name} does not answer at {at}: {why}"),
                "see that the bridge runs, and that `at` under [bridges] is where it listens",
            ),
        });
    }
    found
}

fn unasked(name: &str) -> String {
    format!(
        "nobody looks whether {name} runs: `at` under [bridges] says where it listens, such as \
         {{ {name} = \"http://127.0.0.1:9898\" }}"
    )
}
