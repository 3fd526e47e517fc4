//! `context patch | delete`, and what every write of a context has in common.

use context_domain::change::RequestHash;
use context_domain::patch::Patch;
use context_domain::ports::Subtree;
use context_domain::service::{Condition, Effect, Parents, Service, WriteOptions, Written};
use context_domain::tree::Address;
use serde_json::json;

use super::{address, caller, read_document};
use crate::args::{ConditionArgs, DeleteArgs, PatchArgs};
use crate::failure::Failure;
use crate::output::Output;

pub(super) async fn patch(service: &Service, args: &PatchArgs, output: &Output) -> Result<(), Failure> {
    let address = address(&args.address)?;
    let body = read_document(&args.document)?;
    let whole = body.to_string();
    let (variant, patch) =
        if args.json_patch { ("operations", Patch::operations(body)) } else { ("merge", Patch::merge(body)) };
    let patch = patch
        .map_err(|fault| Failure::usage(format!("the patch, at '{}': {}", fault.pointer, fault.message)))?;
    let request = Request { method: "patch", address: &address, variant, body: &whole };
    let options = request.options(&args.condition, Parents::Create)?;
    let written = service.patch(&caller(&args.address)?, &address, patch, options).await?;
    print(output, &written)
}

pub(super) async fn delete(service: &Service, args: &DeleteArgs, output: &Output) -> Result<(), Failure> {
    let address = address(&args.address)?;
    let (variant, subtree) =
        if args.cascade { ("cascade", Subtree::Remove) } else { ("single", Subtree::MustBeEmpty) };
    let request = Request { method: "delete", address: &address, variant, body: "" };
    let options = request.options(&args.condition, Parents::Create)?;
    let written = service.delete(&caller(&args.address)?, &address, subtree, options).await?;
    print(output, &written)
}

/// What an idempotency key stands for.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) address: &'a Address,
    pub(super) variant: &'a str,
    pub(super) body: &'a str,
}

impl Request<'_> {
    pub(super) fn options(&self, args: &ConditionArgs, parents: Parents) -> Result<WriteOptions, Failure> {
        let condition = condition(args.if_match.as_deref())?;
        let idempotency = args.idempotency_key.as_deref().map(|key| {
            let key =
                key.parse().map_err(|rule: String| Failure::usage(format!("--idempotency-key: {rule}")))?;
            let place = format!("{:?}", self.address);
            let how = format!("{condition:?} {parents:?}");
            let parts = [self.method, &place, self.variant, &how, self.body].map(str::as_bytes);
            Ok::<_, Failure>((key, RequestHash::from_parts(&parts)))
        });
        let idempotency = idempotency.transpose()?;
        Ok(WriteOptions { condition, parents, idempotency })
    }
}

fn condition(if_match: Option<&str>) -> Result<Condition, Failure> {
    match if_match {
        None => Ok(Condition::Unconditional),
        Some("*") => Ok(Condition::Exists),
        Some(etag) => {
            let etag = etag.trim_matches('"').parse();
            let etag = etag.map_err(|rule: String| Failure::usage(format!("--if-match: {rule}")))?;
            Ok(Condition::IsOneOf(vec![etag]))
        }
    }
}

pub(super) fn print(output: &Output, written: &Written) -> Result<(), Failure> {
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
