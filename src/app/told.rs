//! `beadle why` and `beadle catalog`: what the command line is told, by a running bot or of the log alone.

use serde_json::json;

use super::desk::Desk;
use super::orders::Hands;
use crate::processor::scripts::Scripts;
use crate::query::command::{Refusal, Sink};
use crate::query::why::{self, Eyes};
use crate::script::load::ScriptSet;
use crate::store::EventStore;

impl Desk {
    /// The tree of what led to something.
    pub(super) fn why(&self, text: &str, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let store = self.store.as_ref();
        let about = why::about(store, text)?;
        let events = store.read_at(&why::positions(store, &about)?)?;
        // Every version that ever ran is in the log itself.
        let scripts = Scripts::new(ScriptSet::default());
        let line_of = |handler: &_| scripts.line_of(handler, store);
        let tree = why::tree(&events, &about, &Eyes::All, &self.here(), &line_of, true);
        Ok(sink.row(json!({ "why": tree, "lines": why::lines(&tree) }))?)
    }

    /// Everything that is offered.
    pub(super) fn catalog(&self, sink: &mut dyn Sink) -> Result<(), Refusal> {
        let kernel = match &self.hands {
            Hands::Bot(kernel) => kernel.clone(),
            Hands::Later(make) => make(self.store.clone())?,
        };
        let now = self.clock.now();
        for listed in kernel.listing()? {
            sink.row(json!({ "listed": listed, "line": listed.line(now) }))?;
        }
        Ok(())
    }
}
