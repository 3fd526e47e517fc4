//! `doctor`: prints facts about the installation, and what is wrong with it.

use std::process::ExitCode;

use context_domain::clock::Clock;
use context_domain::error::Error;
use context_domain::limits;
use context_domain::ports::Check;
use context_domain::resolve::MERGE_LAW_VERSION;
use context_domain::service::Service;
use context_store::StoreOptions;
use serde_json::{Value, json};

use crate::config::Settings;
use crate::failure::{CommandFailure, WRONG};
use crate::key::list_keys;
use crate::output::{Output, table};
use crate::store::{OpenedService, open_service};

pub(crate) async fn run_doctor(settings: &Settings, output: &Output) -> Result<ExitCode, CommandFailure> {
    let options = settings.operating()?;
    let OpenedService { service, clock } = open_service(&options).await?;
    let mut health = service.inspect().await;
    let mut facts = build_facts(&options);
    match service.facts().await {
        Ok(store_facts) => facts.extend(store_facts),
        Err(error) => {
            health.checks.push(Check { name: "connection".to_owned(), problem: Some(error.to_string()) });
        }
    }
    match count_keys(&service, clock.as_ref()).await {
        Ok(keys) => facts.push(("API keys", keys)),
        Err(error) => {
            health.checks.push(Check { name: "API keys".to_owned(), problem: Some(error.to_string()) });
        }
    }
    let json = json!({
        "facts": facts_json(&facts),
        "checks": health.checks.iter().map(check_json).collect::<Vec<_>>(),
        "healthy": health.is_healthy(),
    });
    output.data(&json, || {
        let mut about = table(["fact", "value"]);
        for (name, value) in &facts {
            about.add_row([*name, value.as_str()]);
        }
        let mut checks = table(["check", "finding"]);
        for check in &health.checks {
            checks.add_row([check.name.as_str(), check.problem.as_deref().unwrap_or("healthy")]);
        }
        format!("{about}\n{checks}")
    })?;
    Ok(if health.is_healthy() { ExitCode::SUCCESS } else { ExitCode::from(WRONG) })
}

/// Returns how many keys exist and how many of them work now, in words.
async fn count_keys(service: &Service, clock: &dyn Clock) -> Result<String, Error> {
    let keys = list_keys(service, None).await?;
    let now = clock.now();
    Ok(match (keys.len(), keys.iter().filter(|key| key.works(now)).count()) {
        (0, _) => "none: `serve --auth keys` admits nobody until one is created".to_owned(),
        (all, working) => format!("{working} of {all} can be used"),
    })
}

fn facts_json(facts: &[(&str, String)]) -> Value {
    facts.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect()
}

/// Returns facts about this build: its version, its store and its limits.
fn build_facts(options: &StoreOptions) -> Vec<(&'static str, String)> {
    vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("merge law", MERGE_LAW_VERSION.to_string()),
        ("store", options.url.to_string()),
        (
            "document",
            format!("at most {} bytes, {} deep", limits::MAX_DOCUMENT_BYTES, limits::MAX_DOCUMENT_DEPTH),
        ),
        ("request body", format!("at most {} bytes", limits::MAX_BODY_BYTES)),
        ("tags", format!("at most {} of {} characters", limits::MAX_TAGS, limits::MAX_TAG_CHARS)),
        ("page", format!("at most {} items", limits::MAX_PAGE_LIMIT)),
        ("idempotency keys", format!("kept for {} hours", limits::IDEMPOTENCY_WINDOW_HOURS)),
    ]
}

fn check_json(check: &Check) -> Value {
    json!({"name": check.name, "problem": check.problem})
}
