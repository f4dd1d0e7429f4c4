//! IRC for real: the bot in a homeserver whose bridge carries a room to an IRC server, seen from IRC.

mod accounts;
mod duplex;
mod identity;
mod plumbed;
mod private;
mod scene;
mod setup;
mod shown;
mod trouble;
mod two_networks;
