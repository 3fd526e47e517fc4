//! `tenant create | list | show | drop`.

use std::process::ExitCode;

use context_domain::page::PageRequest;
use context_domain::service::Service;
use context_domain::tenant::Tenant;
use serde_json::{Value, json};

use crate::args::TenantCommand;
use crate::caller::{operator, tenant_id};
use crate::failure::CommandFailure;
use crate::output::{Output, table};

pub(crate) async fn run_tenant(
    service: &Service,
    command: TenantCommand,
    output: &Output,
) -> Result<ExitCode, CommandFailure> {
    match command {
        TenantCommand::Create { id } => {
            let tenant = service.create_tenant(&operator(), &tenant_id(&id)?).await?;
            print_tenants(output, &[tenant])?;
        }
        TenantCommand::List => print_tenants(output, &list_tenants(service).await?)?,
        TenantCommand::Show { id } => {
            let tenant = service.get_tenant(&operator(), &tenant_id(&id)?).await?;
            print_tenants(output, &[tenant])?;
        }
        TenantCommand::Drop { id, yes: _ } => {
            service.drop_tenant(&operator(), &tenant_id(&id)?).await?;
            output.done(&json!({"dropped": id}), || format!("dropped {id}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads all pages of the list of tenants.
async fn list_tenants(service: &Service) -> Result<Vec<Tenant>, CommandFailure> {
    let mut tenants = Vec::new();
    let mut request = PageRequest::default();
    loop {
        let page = service.list_tenants(&operator(), &request).await?;
        tenants.extend(page.items);
        request.token = page.next_page_token;
        if request.token.is_none() {
            return Ok(tenants);
        }
    }
}

fn print_tenants(output: &Output, tenants: &[Tenant]) -> Result<(), CommandFailure> {
    let json = json!({"items": tenants.iter().map(|tenant| json!(tenant)).collect::<Vec<Value>>()});
    output.data(&json, || {
        let mut table = table(["tenant", "created_at", "generation"]);
        for tenant in tenants {
            table.add_row([tenant.id.as_str(), &tenant.created_at.to_string(), tenant.generation.as_str()]);
        }
        table.to_string()
    })
}
