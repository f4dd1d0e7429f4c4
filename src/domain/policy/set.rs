//! A set of policies that decides.

use std::sync::{Arc, LazyLock};

use super::{Permission, Request, Verdict};

/// The policies that are in force together.
#[derive(Debug, Clone, Default)]
pub struct PolicySet;

impl PolicySet {
    /// The policies that come with the program.
    pub fn shipped() -> Arc<Self> {
        static SHIPPED: LazyLock<Arc<PolicySet>> = LazyLock::new(Arc::default);
        SHIPPED.clone()
    }

    /// Decides whether somebody may do something.
    pub fn decide(&self, request: &Request) -> Permission {
        let inputs = request.clone();
        let name = &inputs.resource.name;
        let (verdict, reason) = match &inputs.resource.role {
            Some(role) if !inputs.roles.iter().any(|held| held.role == *role) => {
                (Verdict::Refused, format!("`{name}` needs the role `{role}`."))
            }
            _ if !inputs.here => {
                let rooms = inputs.resource.rooms.join(", ");
                (Verdict::Refused, format!("`{name}` can only be used in {rooms}."))
            }
            _ => (Verdict::Allowed, "it matches and is open to everyone".to_owned()),
        };
        Permission { verdict, policies: vec![], needs: None, reason, fault: None, inputs }
    }
}
