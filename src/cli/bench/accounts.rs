//! Whose accounts a measurement uses: from a file, or new ones where everybody may register.

use std::path::Path;

use serde::Deserialize;

use crate::adapter::matrix::{Opening, PlainClient, PlainError, random_name};
use crate::cli::Failure;

/// Longest file of accounts in bytes.
const ACCOUNTS_BYTES_MAX: u64 = 64 * 1024;

/// The file: `[bot]`, and two times `[[plain]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    homeserver: Option<String>,
    bot: Account,
    plain: Vec<Account>,
}

/// One account: a user and their password, or an access token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    user: Option<String>,
    password: Option<String>,
    access_token: Option<String>,
}

impl Account {
    fn opening(self) -> Option<Opening> {
        match (self.user, self.password, self.access_token) {
            (Some(user), Some(password), None) => Some(Opening::Password(user, password)),
            (_, None, Some(token)) => Some(Opening::Token(token)),
            _ => None,
        }
    }
}

/// The three accounts of a measurement.
pub struct Accounts {
    /// The bot's.
    pub bot: PlainClient,
    /// Who asks.
    pub asker: PlainClient,
    /// Who answers where the bot is held against plain clients.
    pub answerer: PlainClient,
    /// Whether the logins were made for this measurement, and end with it.
    own: Vec<bool>,
}

/// How the accounts are opened, and where.
struct Plan {
    homeserver: String,
    openings: [Opening; 3],
}

impl Accounts {
    /// Opens the accounts of a file, or new ones.
    ///
    /// # Errors
    /// [`Failure`] if the file cannot be used or the homeserver says no.
    pub async fn open(homeserver: Option<&str>, file: Option<&Path>) -> Result<Self, Failure> {
        let made = file.is_none();
        let plan = match file {
            Some(path) => Plan::parse(&text(path)?, homeserver)
                .map_err(|why| Failure::new(2, format!("{}: {why}", path.display())).hint(HINT))?,
            None => Plan::new_accounts(homeserver)?,
        };
        let own = plan.openings.iter().map(|it| !matches!(it, Opening::Token(_))).collect();
        let [bot, asker, answerer] = plan.openings;
        let open = |opening| PlainClient::open(&plan.homeserver, opening);
        let failed = |error: PlainError| match made {
            true => Failure::new(5, error).hint("where nobody can register, use --accounts FILE"),
            false => Failure::new(5, error).hint(HINT),
        };
        Ok(Self {
            bot: open(bot).await.map_err(failed)?,
            asker: open(asker).await.map_err(failed)?,
            answerer: open(answerer).await.map_err(failed)?,
            own,
        })
    }

    /// Ends the logins that were made.
    pub async fn close(&self) {
        let clients = [&self.bot, &self.asker, &self.answerer];
        for (client, own) in clients.into_iter().zip(&self.own) {
            if *own && let Err(error) = client.log_out().await {
                tracing::warn!(%error, user = client.user, "still logged in");
            }
        }
    }
}

const HINT: &str =
    "the file has [bot] and two [[plain]], each with `user` and `password`, or with `access_token`";

impl Plan {
    fn parse(text: &str, homeserver: Option<&str>) -> Result<Self, String> {
        // What the parser says about a line would show it, and it may hold a password.
        let file: File = toml::from_str(text).map_err(|why| match why.span() {
            Some(span) => {
                let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
                format!("line {line} is not understood")
            }
            None => "it is not understood".to_owned(),
        })?;
        let homeserver = homeserver.map(str::to_owned).or(file.homeserver);
        let homeserver = homeserver.ok_or("it names no `homeserver`")?;
        let count = file.plain.len();
        let accounts = std::iter::once(file.bot).chain(file.plain);
        let openings: Option<Vec<Opening>> = accounts.map(Account::opening).collect();
        let openings = openings.ok_or("an account has neither a password nor a token, or both")?;
        let openings = openings.try_into().map_err(|_| format!("{count} [[plain]], not 2"))?;
        Ok(Self { homeserver, openings })
    }

    fn new_accounts(homeserver: Option<&str>) -> Result<Self, Failure> {
        let homeserver = homeserver.ok_or_else(|| {
            Failure::new(2, "which homeserver?").hint("add --homeserver URL or --accounts FILE")
        })?;
        let openings = ["bot", "asker", "answerer"]
            .map(|name| Opening::Register(format!("bench-{name}-{}", random_name())));
        Ok(Self { homeserver: homeserver.to_owned(), openings })
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(2, format!("cannot read {}: {why}", path.display()));
    let length = std::fs::metadata(path).map_err(|why| failed(why.to_string()))?.len();
    if length > ACCOUNTS_BYTES_MAX {
        return Err(failed(format!("it has {length} bytes, {ACCOUNTS_BYTES_MAX} are read")));
    }
    std::fs::read_to_string(path).map_err(|why| failed(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_accounts_are_checked() {
        let bot = "[bot]\nuser = \"bot\"\npassword = \"secret\"\n";
        let plain = "[[plain]]\naccess_token = \"secret\"\n";
        let good = format!("homeserver = \"http://hs\"\n{bot}{plain}{plain}");
        for (text, want) in [
            (good.clone(), "http://hs"),
            (format!("{bot}{plain}{plain}"), "it names no `homeserver`"),
            (good.replace("bot]", "boot]"), "line "),
            (format!("{good}{plain}"), "3 [[plain]], not 2"),
            (good.replace("password", "pasword"), "line "),
            (good.replace("user = \"bot\"\n", ""), "an account has neither"),
            (good.replace("= \"secret\"", "= secret"), "line 4 is not understood"),
        ] {
            let got = match Plan::parse(&text, None) {
                Ok(plan) => plan.homeserver,
                Err(why) => why,
            };
            assert!(got.starts_with(want), "{text}: {got}, not {want}");
            assert!(!got.contains("secret"), "{got}");
        }
        let named = Plan::parse(&good, Some("http://other")).map(|plan| plan.homeserver);
        assert_eq!(named, Ok("http://other".into()), "the command line decides");
    }

    #[test]
    fn a_file_of_accounts_is_bounded() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("accounts.toml");
        let bytes = usize::try_from(ACCOUNTS_BYTES_MAX).expect("it is small") + 1;
        std::fs::write(&path, "#".repeat(bytes)).expect("it is written");
        assert!(text(&path).is_err_and(|failure| failure.message.contains("are read")));
    }
}
