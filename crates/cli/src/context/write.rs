//! `context patch | delete`, and what all writes of contexts share.

use context_domain::change::RequestHash;
use context_domain::patch::Patch;
use context_domain::ports::Subtree;
use context_domain::service::{Condition, Effect, Parents, Service, WriteOptions, Written};
use context_domain::tree::Address;
use serde_json::json;

use super::input::{address, caller, document};
use crate::args::{ConditionArgs, DeleteArgs, PatchArgs};
use crate::failure::CommandFailure;
use crate::output::Output;

pub(super) async fn patch_context(
    service: &Service,
    args: &PatchArgs,
    output: &Output,
) -> Result<(), CommandFailure> {
    let address = address(&args.address)?;
    let body = document(&args.document)?;
    let whole = body.to_string();
    let (variant, patch) =
        if args.json_patch { ("operations", Patch::operations(body)) } else { ("merge", Patch::merge(body)) };
    let patch = patch.map_err(|fault| {
        CommandFailure::usage(format!("the patch, at '{}': {}", fault.pointer, fault.message))
    })?;
    let request = WriteRequest { method: "patch", address: &address, variant, body: &whole };
    let options = request.options(&args.condition, Parents::Create)?;
    let written = service.patch(&caller(&args.address)?, &address, patch, options).await?;
    print_written(output, &written)
}

pub(super) async fn delete_context(
    service: &Service,
    args: &DeleteArgs,
    output: &Output,
) -> Result<(), CommandFailure> {
    let address = address(&args.address)?;
    let (variant, subtree) =
        if args.cascade { ("cascade", Subtree::Remove) } else { ("single", Subtree::MustBeEmpty) };
    let request = WriteRequest { method: "delete", address: &address, variant, body: "" };
    let options = request.options(&args.condition, Parents::Create)?;
    let written = service.delete(&caller(&args.address)?, &address, subtree, options).await?;
    print_written(output, &written)
}

/// The parts of a write that must be equal when it is repeated with the same idempotency key.
pub(super) struct WriteRequest<'a> {
    pub(super) method: &'a str,
    pub(super) address: &'a Address,
    pub(super) variant: &'a str,
    pub(super) body: &'a str,
}

impl WriteRequest<'_> {
    pub(super) fn options(
        &self,
        args: &ConditionArgs,
        parents: Parents,
    ) -> Result<WriteOptions, CommandFailure> {
        let condition = condition(args.if_match.as_deref())?;
        let idempotency = args.idempotency_key.as_deref().map(|key| {
            let key = key
                .parse()
                .map_err(|rule: String| CommandFailure::usage(format!("--idempotency-key: {rule}")))?;
            let address = format!("{:?}", self.address);
            let how = format!("{condition:?} {parents:?}");
            let parts = [self.method, &address, self.variant, &how, self.body].map(str::as_bytes);
            Ok::<_, CommandFailure>((key, RequestHash::from_parts(&parts)))
        });
        let idempotency = idempotency.transpose()?;
        Ok(WriteOptions { condition, parents, idempotency })
    }
}

fn condition(if_match: Option<&str>) -> Result<Condition, CommandFailure> {
    match if_match {
        None => Ok(Condition::Unconditional),
        Some("*") => Ok(Condition::Exists),
        Some(etag) => {
            let etag = etag.trim_matches('"').parse();
            let etag = etag.map_err(|rule: String| CommandFailure::usage(format!("--if-match: {rule}")))?;
            Ok(Condition::IsOneOf(vec![etag]))
        }
    }
}

pub(super) fn print_written(output: &Output, written: &Written) -> Result<(), CommandFailure> {
    let json = json!({
        "etag": written.etag.to_string(),
        "context": written.context,
        "replayed": written.replayed,
    });
    output.data(&json, || {
        let effect = match written.effect {
            Effect::Created => "created",
            Effect::Updated => "written",
            Effect::Deleted => "deleted",
        };
        format!("{effect} \"{}\"", written.etag)
    })
}
