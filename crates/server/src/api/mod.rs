//! The API: one table of operations, and everything about them that is independent of how requests arrive.
//!
//! An operation is an [`spec::OperationSpec`] (who may use it, parameters, headers, body, responses,
//! problems) and a handler, both in the file of its noun. [`routes`] pairs them with paths; from that table
//! HTTP makes its router and [`openapi_document`] the OpenAPI document. A handler gets the service and a
//! request that was checked against the operation's description, and returns a response or a problem.

mod answer;
mod changes;
mod contexts;
mod docs;
mod health;
mod openapi;
mod schemas;
mod search;
pub(crate) mod spec;
mod tenants;
mod tree;

use std::sync::LazyLock;

use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::http::route::Route;

/// Returns every route: the table of operations.
pub(crate) fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new("/v1/tenants", &tenants::CREATE, tenants::create),
        Route::new("/v1/tenants", &tenants::LIST, tenants::list),
        Route::new("/v1/tenants/{tenant}", &tenants::SHOW, tenants::show),
        Route::new("/v1/tenants/{tenant}", &tenants::DROP, tenants::drop),
        Route::new("/v1/tenants/{tenant}/contexts", &contexts::CREATE, contexts::create),
        Route::new("/v1/tenants/{tenant}/contexts", &contexts::LIST, contexts::list),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::GET, contexts::get),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::PUT, contexts::put),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::PATCH, contexts::patch),
        Route::new("/v1/tenants/{tenant}/contexts/{id}", &contexts::DELETE, contexts::delete),
        Route::new("/v1/tenants/{tenant}/contexts/{id}/resolved", &contexts::RESOLVED, contexts::resolved),
        Route::new("/v1/tenants/{tenant}/contexts/{id}/changes", &changes::OF_CONTEXT, changes::list),
        Route::new("/v1/tenants/{tenant}/changes", &changes::OF_TENANT, changes::list),
        Route::new("/livez", &health::LIVE, health::live),
        Route::new("/readyz", &health::READY, health::ready),
        Route::new("/health", &health::HEALTH, health::health),
        Route::new("/openapi.json", &docs::OPENAPI, async |_, _| docs::show_document(&DOCUMENT)),
        Route::new("/docs", &docs::PAGE, docs::show_page),
        Route::new("/docs/{file}", &docs::FILE, docs::show_file),
    ];
    for (path, more) in tree::PATHS {
        routes.extend([
            Route::with_parameters(more, path, &tree::GET, tree::get),
            Route::with_parameters(more, path, &tree::PUT, contexts::put),
            Route::with_parameters(more, path, &tree::PATCH, contexts::patch),
            Route::with_parameters(more, path, &tree::DELETE, contexts::delete),
        ]);
    }
    routes
}

/// Returns the OpenAPI document of every route.
pub fn openapi_document() -> OpenApi {
    openapi::describe(routes().into_iter().map(|route| route.rules))
}

/// The document as JSON. It is built once: building it takes milliseconds, and any client may request it at
/// any rate.
static DOCUMENT: LazyLock<Result<Value, String>> = LazyLock::new(|| {
    let document = serde_json::to_value(openapi_document());
    document.map_err(|error| format!("the OpenAPI document cannot be written as JSON: {error}"))
});
