//! Which grants hold, as the log says now: the fold is kept, and goes on where the log has moved on.

use std::sync::{Arc, Mutex};

use super::Kernel;
use crate::domain::grant::Grants;
use crate::domain::id::{StreamName, Version};
use crate::query::stream_fold::StreamFold;
use crate::store::ReadError;

/// The fold, kept: it goes on where the log has moved on.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<StreamFold<Arc<Grants>>>);

impl Kernel {
    /// The grants, with the version of their stream.
    ///
    /// # Errors
    /// [`ReadError`] if the log cannot be read.
    pub fn grants(&self) -> Result<(Arc<Grants>, Option<Version>), ReadError> {
        let mut kept = self.granted.0.lock().expect("nobody panics with it");
        kept.go_on(self.store.as_ref(), &StreamName::grants(), |grants, recorded| {
            Arc::make_mut(grants).apply(recorded);
        })?;
        Ok((kept.folded.clone(), kept.version))
    }
}
