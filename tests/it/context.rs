//! What a conversation is about is read back from the log, and no further than a bound, however much is said around it.

use beadle::domain::id::PostId;
use beadle::domain::trigger::{Trigger, What};
use beadle::processor::context::READ_BACK_MAX;

use crate::desk::Desk;

const SCRIPT: &str = r#"
    //! Machines.
    alias("status of {host}", |a| reply(`${a.host} is up`));
    alias("restart {host?}", #{ context: true }, |a| reply(`${a.host} restarted`));
    alias("note {text:text}", |a| reply("noted"));
"#;

/// The same, said in a thread.
fn in_thread(mut said: Trigger) -> Trigger {
    if let What::Message(message) = &mut said.what {
        message.place.thread = Some(PostId("$root".into()));
    }
    said
}

async fn says(desk: &Desk, said: Trigger) {
    desk.hand_over(vec![said], None).await;
    desk.settle().await.expect("the log works");
}

#[tokio::test]
async fn no_more_than_a_bound_is_read_back() {
    for (enough, want) in [(false, "web1 restarted"), (true, "Which `host`?")] {
        let desk = Desk::new(SCRIPT);
        says(&desk, in_thread(desk.says("ann", "#ops", "!status of web1"))).await;
        let begin = desk.kernel.store.next_position().0;
        let between = if enough { READ_BACK_MAX as u64 } else { READ_BACK_MAX as u64 / 2 };
        while desk.kernel.store.next_position().0 < begin + between {
            says(&desk, desk.says("ben", "#ops", "!note that")).await;
        }
        says(&desk, in_thread(desk.says("ann", "#ops", "!restart"))).await;
        let said = desk.said();
        let last = said.last().expect("it says something");
        assert!(last.contains(want), "{between} events between: {last}");
    }
}
