//! `key create | list | revoke | rotate`.

use std::process::ExitCode;

use context_domain::access::Access;
use context_domain::error::Error;
use context_domain::id::TenantId;
use context_domain::key::ApiKey;
use context_domain::page::PageRequest;
use context_domain::service::{KeyRequest, NewKey, Service};
use serde_json::{Value, json};

use crate::args::{KeyCommand, KeyScope};
use crate::caller::operator;
use crate::failure::CommandFailure;
use crate::output::{Output, note, plain, table};

pub(crate) async fn run_key(
    service: &Service,
    command: KeyCommand,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    match command {
        KeyCommand::Create { name, scope, tenant, expires_at } => {
            let access = key_access(scope, tenant)?;
            let request = KeyRequest { name, access, expires_at };
            print_new_key(output, &service.create_key(&operator(), request).await?)?;
        }
        KeyCommand::List { tenant } => print_keys(output, &list_keys(service, tenant.as_ref()).await?)?,
        KeyCommand::Revoke { id } => {
            service.revoke_key(&operator(), &id).await?;
            output.done(&json!({"revoked": id.as_str()}), || format!("revoked {id}"))?;
        }
        KeyCommand::Rotate { id, ends_at } => {
            print_new_key(output, &service.rotate_key(&operator(), &id, ends_at).await?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads all pages of the list of keys, of one tenant or of all; keys that no longer work are included.
pub(crate) async fn list_keys(service: &Service, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, Error> {
    let mut keys = Vec::new();
    let mut request = PageRequest::default();
    loop {
        let page = service.list_keys(&operator(), tenant, &request).await?;
        keys.extend(page.items);
        request.token = page.next_page_token;
        if request.token.is_none() {
            return Ok(keys);
        }
    }
}

fn key_access(scope: KeyScope, tenant: Option<TenantId>) -> Result<Access, CommandFailure> {
    match (scope.permission(), tenant) {
        (Some(permission), Some(tenant)) => Ok(Access::Tenant { tenant, permission }),
        (None, None) => Ok(Access::Operator),
        (None, Some(_)) => {
            Err(CommandFailure::usage("--scope operator covers the whole installation: leave --tenant out"))
        }
        (Some(permission), None) => Err(CommandFailure::usage(format!(
            "--scope {permission} is for one tenant: name it with --tenant"
        ))),
    }
}

/// Prints the token alone on standard output, so that a script can read it; the key's members on standard
/// error.
fn print_new_key(output: &Output, new: &NewKey) -> Result<(), CommandFailure> {
    let mut json = new.key.to_json();
    let token = new.token.reveal();
    if let Value::Object(members) = &mut json {
        members.insert("token".to_owned(), token.as_str().into());
    }
    if !output.is_json() {
        note(&key_table(std::slice::from_ref(&new.key)));
        note("The token below is shown only now; it is stored nowhere.");
    }
    output.data(&json, || token)
}

fn print_keys(output: &Output, keys: &[ApiKey]) -> Result<(), CommandFailure> {
    let json = json!({"items": keys.iter().map(ApiKey::to_json).collect::<Vec<_>>()});
    output.data(&json, || key_table(keys))
}

fn key_table(keys: &[ApiKey]) -> String {
    let columns =
        ["id", "name", "tenant_id", "scope", "created_at", "expires_at", "revoked_at", "last_used_at"];
    let mut table = table(columns);
    for key in keys {
        let members = key.to_json();
        table.add_row(columns.map(|column| members.get(column).map(plain).unwrap_or_default()));
    }
    table.to_string()
}
