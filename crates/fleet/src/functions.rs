//! The functions in `public`: their text, and whether a database has them as this version does.

use context_store::postgres::TENANT_REVISION;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::findings::{Finding, Kind};
use crate::migrations;

/// A function of this version.
pub(crate) struct Function {
    /// What it is told from others by: `public.name(types)`.
    pub(crate) signature: &'static str,
    /// The names and types of its arguments, as the catalog prints them.
    arguments: &'static str,
    result: &'static str,
    text: &'static str,
}

/// In the order in which they are made.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        signature: "public.add_missing_constraints(regclass, text[])",
        arguments: "relation regclass, wanted text[]",
        result: "void",
        text: include_str!("../functions/add_missing_constraints.sql"),
    },
    Function {
        signature: "public.update_updated_at_column()",
        arguments: "",
        result: "trigger",
        text: include_str!("../functions/update_updated_at_column.sql"),
    },
    Function {
        signature: "public.grant_tenant(text)",
        arguments: "tenant_id text",
        result: "void",
        text: include_str!("../functions/grant_tenant.sql"),
    },
    Function {
        signature: "public.complete_tenant(text, text)",
        arguments: "tenant_id text, global_id text",
        result: "void",
        text: include_str!("../functions/complete_tenant.sql"),
    },
    Function {
        signature: "public.provision_tenant(text, uuid, timestamptz, text)",
        arguments: "tenant_id text, generation uuid, created_at timestamp with time zone, global_id text",
        result: "boolean",
        text: include_str!("../functions/provision_tenant.sql"),
    },
    Function {
        signature: "public.create_tenant_schema(text)",
        arguments: "tenant_id text",
        result: "void",
        text: include_str!("../functions/create_tenant_schema.sql"),
    },
    Function {
        signature: "public.cleanup_expired_contexts(text)",
        arguments: "tenant_id text",
        result: "integer",
        text: include_str!("../functions/cleanup_expired_contexts.sql"),
    },
];

/// What everyone may call by default, and only some need to.
pub(crate) const REVOKE: &str = "
    REVOKE EXECUTE ON FUNCTION public.add_missing_constraints(regclass, text[]) FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION public.grant_tenant(text) FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION public.complete_tenant(text, text) FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION public.cleanup_expired_contexts(text) FROM PUBLIC;";

const QUOTE: &str = "$function$";

impl Function {
    /// The statement that makes it, over one of the same name and arguments.
    pub(crate) fn statement(&self) -> String {
        self.text
            .replace("{expected}\n", &migrations::expected_as_format())
            .replace("{migrations}\n", &migrations::as_formats())
            .replace("{ledger}", &migrations::as_rows())
            .replace("{revision}", &TENANT_REVISION.to_string())
    }

    /// What stands between its quotes, as the catalog keeps it.
    fn body(&self) -> String {
        self.statement().split(QUOTE).nth(1).unwrap_or_default().to_owned()
    }

    /// What its `SET` clauses say, one a line, as the catalog keeps it.
    fn settings(&self) -> String {
        let lines = self.text.lines().take_while(|line| !line.contains(QUOTE));
        let clauses = lines.filter_map(|line| line.strip_prefix("SET "));
        let kept = clauses.map(|clause| clause.replacen(" = ", "=", 1).replace('\'', ""));
        kept.collect::<Vec<_>>().join("\n")
    }
}

/// What is wrong with the functions of a database.
pub(crate) async fn examine(client: &Client) -> Result<Vec<Finding>, tokio_postgres::Error> {
    let sql = "
        SELECT wanted.signature,
               CASE WHEN found.oid IS NULL THEN 'missing'
                    WHEN pg_get_function_identity_arguments(found.oid) <> wanted.arguments
                      OR pg_get_function_result(found.oid) <> wanted.result THEN 'another'
                    ELSE 'different'
               END
        FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY
            AS wanted (signature, arguments, result, body, settings, place)
        LEFT JOIN pg_proc AS found ON found.oid = to_regprocedure(wanted.signature)
        WHERE found.oid IS NULL
           OR (found.prosrc, pg_get_function_identity_arguments(found.oid), pg_get_function_result(found.oid),
               array_to_string(found.proconfig, E'\n'), found.prosecdef)
              IS DISTINCT FROM (wanted.body, wanted.arguments, wanted.result, wanted.settings, false)
        ORDER BY wanted.place";
    let column = |of: fn(&Function) -> String| FUNCTIONS.iter().map(of).collect::<Vec<String>>();
    let wanted = [
        column(|function| function.signature.to_owned()),
        column(|function| function.arguments.to_owned()),
        column(|function| function.result.to_owned()),
        column(Function::body),
        column(Function::settings),
    ];
    let [signatures, arguments, results, bodies, settings] = &wanted;
    let parameters =
        [signatures, arguments, results, bodies, settings].map(|column| (column, Type::TEXT_ARRAY));
    let parameters = parameters.each_ref().map(|(column, kind)| (*column as _, kind.clone()));
    let rows = client.query_typed(sql, &parameters).await?;
    let finding = |row: &tokio_postgres::Row| {
        let (signature, kind): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
        let kind = match kind {
            "missing" => Kind::Missing,
            "another" => Kind::Another,
            _ => Kind::Different,
        };
        Ok(Finding::of_control(format!("the function {signature}"), kind))
    };
    rows.iter().map(finding).collect::<Result<_, _>>()
}
