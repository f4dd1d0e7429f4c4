//! Which accounts belong to one person, for questions to the log.

use crate::domain::id::{StreamName, UserId, Version};
use crate::domain::person::People;
use crate::store::{Direction, EventStore, READ_EVENTS_MAX, ReadError};

/// The other accounts of whoever has this one.
///
/// # Errors
/// [`ReadError`] if the log cannot be read.
pub fn linked_with(store: &dyn EventStore, account: &UserId) -> Result<Vec<UserId>, ReadError> {
    let (stream, mut people, mut from) = (StreamName::people(), People::default(), Version::START);
    loop {
        let page = store.read(&stream, from, Direction::Forward, READ_EVENTS_MAX)?;
        page.iter().filter_map(|recorded| recorded.event()).for_each(|event| people.apply(event));
        match page.last() {
            Some(last) if page.len() == READ_EVENTS_MAX => from = last.id.version.next(),
            _ => break,
        }
    }
    let mut others = people.accounts_of(&people.person_of(account));
    others.retain(|other| other != account);
    Ok(others)
}
