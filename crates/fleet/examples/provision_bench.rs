//! Makes tenants and prints how long that took: `provision_bench URL TENANTS WORKERS`.
#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![expect(clippy::print_stdout, reason = "a measurement prints what it measured")]

use std::env;
use std::time::Instant;

use context_domain::id::TenantId;
use context_fleet::{Fleet, Plan};
use context_store::postgres::{ConnectionMode, PostgresUrl};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, url, tenants, workers] = arguments.as_slice() else {
        println!("usage: provision_bench URL TENANTS WORKERS");
        return;
    };
    let url: PostgresUrl = url.parse().unwrap();
    let tenants: usize = tenants.parse().unwrap();
    let tenants: Vec<TenantId> = (0..tenants).map(|number| format!("t-{number}").parse().unwrap()).collect();
    let plan = Plan { tenants, serving_roles: Vec::new(), workers: workers.parse().unwrap() };
    for what in ["bootstrap", "bootstrap again", "bootstrap again"] {
        let started = Instant::now();
        let mut fleet = Fleet::connect(&url, ConnectionMode::Auto).await.unwrap();
        let report = fleet.bootstrap(&plan, &mut |_| {}).await.unwrap();
        println!("{what}: {} made, {:.3} s", report.made.len(), started.elapsed().as_secs_f64());
    }
    let started = Instant::now();
    let fleet = Fleet::connect(&url, ConnectionMode::Auto).await.unwrap();
    let findings = fleet.examine(&plan.tenants).await.unwrap();
    println!("examine: {} findings, {:.3} s", findings.len(), started.elapsed().as_secs_f64());
}
