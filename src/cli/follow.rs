//! `beadle log query --follow`: through the socket of a running bot, also over its restarts; what is there without one.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::ask::ask_live;
use super::query::{here, mark_of, show};
use super::style::printed;
use super::{Context, Failure};
use crate::control;
use crate::query::command::Request;
use crate::query::filter::Filter;
use crate::query::question::{Ask, Mark};

/// How often it is looked whether a bot runs again.
const LOOKED_EVERY: Duration = Duration::from_millis(500);

/// Shows what is there and what comes, until it is ended.
pub fn main(context: &Context, filter: Filter) -> Result<u8, Failure> {
    let here = here();
    let data = context.data()?;
    let mut behind: Option<Mark> = None;
    let mut first = true;
    loop {
        // Without a bot the log is opened once only: whoever holds it keeps a bot from starting.
        if first || listens(&data) {
            let (filter, behind_it) = (filter.clone(), behind.clone());
            let question =
                Ask { filter, behind: behind_it, mark: true, follow: true, in_order: false };
            let mut take = |row: Value| {
                match mark_of(&row) {
                    Some(mark) => behind = Some(mark),
                    None => show(context, &row, &here),
                }
                printed()
            };
            ask_live(context, question, first, &mut take)?;
            first = false;
        }
        std::thread::sleep(LOOKED_EVERY);
    }
}

/// Whether a bot listens.
fn listens(data: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(control::path(data)).is_ok()
}

/// The question for a log that no bot has open: what is there, without waiting for more.
pub fn without_waiting(question: Ask) -> Request {
    Request::LogQuery(Box::new(Ask { follow: false, ..question }))
}
