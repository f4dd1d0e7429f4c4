//! Makes the bot's device one that its owner has signed, and keeps the key that can do it again.

use matrix_sdk::Client;
use matrix_sdk::encryption::recovery::{RecoveryError, RecoveryState};
use matrix_sdk::ruma::api::client::uiaa::{
    AuthData, MatrixUserIdentifier, Password, UserIdentifier,
};

use super::login::LoginError;
use super::session::Secret;
use super::trouble::Trouble;

/// Signs the device and sets up recovery, and returns the recovery key; with one, takes the secrets that the account has.
pub(super) async fn secure(
    client: &Client,
    user: &str,
    password: &Secret,
    recovery_key: Option<&Secret>,
) -> Result<Secret, LoginError> {
    let recovery = client.encryption().recovery();
    client.encryption().wait_for_e2ee_initialization_tasks().await;
    match (recovery.state(), recovery_key) {
        (RecoveryState::Disabled | RecoveryState::Unknown, _) => {
            sign(client, user, password).await?;
            let key = recovery.enable().await.map_err(|error| recovery_error(&error))?;
            Ok(Secret::new(key))
        }
        (_, None) => Err(LoginError::NeedsRecoveryKey),
        (_, Some(key)) => {
            recovery.recover(key.expose()).await.map_err(|error| recovery_error(&error))?;
            Ok(key.clone())
        }
    }
}

/// Whether other people's clients see the device as signed by its owner; true only after the next sync.
pub(super) async fn is_signed(client: &Client) -> bool {
    let device = client.encryption().get_own_device().await.ok().flatten();
    device.is_some_and(|device| device.is_cross_signed_by_owner())
}

/// Makes the account's signing keys and signs this device with them.
///
/// It has keys that nobody can open if a login before this one ended halfway.
async fn sign(client: &Client, user: &str, password: &Secret) -> Result<(), LoginError> {
    let password = password_proof(user, password);
    let encryption = client.encryption();
    let failed =
        |error: matrix_sdk::Error| LoginError::Other { reason: Trouble::from(&error).reason() };
    encryption.bootstrap_cross_signing_if_needed(Some(password.clone())).await.map_err(failed)?;
    let status = encryption.cross_signing_status().await;
    if !status.is_some_and(|status| status.is_complete()) {
        tracing::warn!("the account's signing keys are lost: new ones take their place");
        encryption.bootstrap_cross_signing(Some(password)).await.map_err(failed)?;
    }
    Ok(())
}

/// Proves to the homeserver who asks, where a token is not enough.
pub(super) fn password_proof(user: &str, password: &Secret) -> AuthData {
    let identifier = UserIdentifier::Matrix(MatrixUserIdentifier::new(user.to_owned()));
    AuthData::Password(Password::new(identifier, password.expose().to_owned()))
}

fn recovery_error(error: &RecoveryError) -> LoginError {
    match error {
        RecoveryError::BackupExistsOnServer => LoginError::NeedsRecoveryKey,
        RecoveryError::SecretStorage(_) => LoginError::WrongRecoveryKey,
        RecoveryError::Sdk(error) => LoginError::Other { reason: Trouble::from(error).reason() },
    }
}
