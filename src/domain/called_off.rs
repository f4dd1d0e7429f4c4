//! Approvals that nobody waits for any more because their execution is cancelled.

use serde_json::Value;

use super::event::EffectResult;
use super::execution::{CANCELLED, Execution, Step};

impl Step {
    /// Whether it is an approval that ended because somebody cancelled the execution.
    pub fn is_called_off(&self) -> bool {
        let by_somebody = |error: &Value| error["kind"] == CANCELLED && error["by"].is_string();
        let over = matches!(&self.result, Some(EffectResult::Err(error)) if by_somebody(error));
        self.approval.is_some() && over
    }
}

impl Execution {
    /// Whether an approval is called off if it is cancelled now.
    pub fn waits_for_approval(&self) -> bool {
        let asks = |(path, step): (&String, &Step)| {
            step.approval.is_some() && step.asks() && !self.undoes(path)
        };
        self.steps.iter().any(asks)
    }
}
