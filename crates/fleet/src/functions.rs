//! The functions in `public`: their text, and the statements that make them.

use context_store::postgres::completeness::{DatabaseObject, PUBLIC};
use context_store::postgres::{TENANT_REVISION, identifier};

use crate::migrations;

/// A function of this version.
pub(crate) struct SqlFunction {
    name: &'static str,
    /// The types of its arguments, as SQL writes them; with the name they identify it.
    argument_types: &'static [&'static str],
    /// The names and types of its arguments, as the catalog prints them.
    pub(crate) arguments: &'static str,
    pub(crate) result: &'static str,
    callers: Callers,
    text: &'static str,
}

/// Who may call a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// Every role, which is PostgreSQL's default.
    Everyone,
    /// The owner, and the roles that it grants EXECUTE to.
    Granted,
}

/// Deletes expired contexts: the one function that serving roles are granted.
pub(crate) const CLEANUP: SqlFunction = SqlFunction {
    name: "cleanup_expired_contexts",
    argument_types: &["text"],
    arguments: "tenant_id text",
    result: "integer",
    callers: Callers::Granted,
    text: include_str!("../functions/cleanup_expired_contexts.sql"),
};

/// The functions, in the order in which they are made.
pub(crate) const FUNCTIONS: &[SqlFunction] = &[
    SqlFunction {
        name: "add_missing_constraints",
        argument_types: &["regclass", "text[]"],
        arguments: "relation regclass, wanted text[]",
        result: "void",
        callers: Callers::Granted,
        text: include_str!("../functions/add_missing_constraints.sql"),
    },
    SqlFunction {
        name: "update_updated_at_column",
        argument_types: &[],
        arguments: "",
        result: "trigger",
        callers: Callers::Everyone,
        text: include_str!("../functions/update_updated_at_column.sql"),
    },
    SqlFunction {
        name: "grant_tenant",
        argument_types: &["text"],
        arguments: "tenant_id text",
        result: "void",
        callers: Callers::Granted,
        text: include_str!("../functions/grant_tenant.sql"),
    },
    SqlFunction {
        name: "complete_tenant",
        argument_types: &["text", "text"],
        arguments: "tenant_id text, global_id text",
        result: "void",
        callers: Callers::Granted,
        text: include_str!("../functions/complete_tenant.sql"),
    },
    SqlFunction {
        name: "provision_tenant",
        argument_types: &["text", "uuid", "timestamptz", "text"],
        arguments: "tenant_id text, generation uuid, created_at timestamp with time zone, global_id text",
        result: "boolean",
        callers: Callers::Everyone,
        text: include_str!("../functions/provision_tenant.sql"),
    },
    SqlFunction {
        name: "create_tenant_schema",
        argument_types: &["text"],
        arguments: "tenant_id text",
        result: "void",
        callers: Callers::Everyone,
        text: include_str!("../functions/create_tenant_schema.sql"),
    },
    CLEANUP,
];

const QUOTE: &str = "$function$";

impl SqlFunction {
    /// Returns its schema, name and argument types in SQL: `public."grant_tenant"(text)`.
    pub(crate) fn signature(&self) -> String {
        format!("{PUBLIC}.{}({})", identifier(self.name), self.argument_types.join(", "))
    }

    /// Returns the function as the object of a finding.
    pub(crate) fn object(&self) -> DatabaseObject {
        DatabaseObject::Function {
            function: self.name.to_owned(),
            argument_types: self.argument_types.iter().map(|kind| (*kind).to_owned()).collect(),
        }
    }

    /// Returns the statement that makes it, or replaces one with the same name and arguments.
    pub(crate) fn create_statement(&self) -> String {
        self.text
            .replace("{expected}\n", &migrations::expected_as_format())
            .replace("{migrations}\n", &migrations::migrations_as_format())
            .replace("{ledger}", &migrations::migrations_as_rows())
            .replace("{revision}", &TENANT_REVISION.to_string())
    }

    /// Returns the statement that drops it: a function with other argument names or another result cannot be
    /// replaced.
    pub(crate) fn drop_statement(&self) -> String {
        format!("DROP FUNCTION {};", self.signature())
    }

    /// Returns the text between its quotes, as the catalog keeps it.
    pub(crate) fn body(&self) -> String {
        self.create_statement().split(QUOTE).nth(1).unwrap_or_default().to_owned()
    }

    /// Returns its `SET` clauses, one per line, as the catalog keeps them.
    pub(crate) fn settings(&self) -> String {
        let lines = self.text.lines().take_while(|line| !line.contains(QUOTE));
        let clauses = lines.filter_map(|line| line.strip_prefix("SET "));
        let kept = clauses.map(|clause| clause.replacen(" = ", "=", 1).replace('\'', ""));
        kept.collect::<Vec<_>>().join("\n")
    }
}

/// Returns the statements that revoke EXECUTE from PUBLIC on the functions that only some roles may call.
pub(crate) fn revoke_statements() -> String {
    let restricted = FUNCTIONS.iter().filter(|function| function.callers == Callers::Granted);
    let statement =
        |function: &SqlFunction| format!("REVOKE EXECUTE ON FUNCTION {} FROM PUBLIC;", function.signature());
    restricted.map(statement).collect::<Vec<_>>().concat()
}
