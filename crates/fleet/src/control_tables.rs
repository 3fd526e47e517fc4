//! What the control schema holds: generated from `crates/fleet/migrations/control/`.
//!
//! `UPDATE_SNAPSHOT=1 cargo test -p context-fleet expected` writes this file.

use context_store::postgres::completeness::ExpectedTable;

/// The tables of the control schema, in the order in which they are made.
#[rustfmt::skip]
pub(crate) const CONTROL_TABLES: [ExpectedTable; 4] = [
    ExpectedTable {
        name: "tenants",
        columns: &[
            ("id", "character varying(48)"),
            ("generation", "uuid"),
            ("created_at", "timestamp with time zone"),
            ("revision", "integer"),
        ],
        indexes: &[],
        constraints: &[
            "tenants_generation_key",
            "tenants_id_check",
            "tenants_pkey",
        ],
        triggers: &[],
    },
    ExpectedTable {
        name: "api_keys",
        columns: &[
            ("id", "character varying(64)"),
            ("name", "text"),
            ("tenant_id", "character varying(48)"),
            ("permission", "character varying(10)"),
            ("secret_hash", "text"),
            ("created_at", "timestamp with time zone"),
            ("expires_at", "timestamp with time zone"),
            ("revoked_at", "timestamp with time zone"),
            ("last_used_at", "timestamp with time zone"),
        ],
        indexes: &[
            "idx_api_keys_tenant",
        ],
        constraints: &[
            "api_keys_access_check",
            "api_keys_permission_check",
            "api_keys_pkey",
            "api_keys_tenant_id_fkey",
        ],
        triggers: &[],
    },
    ExpectedTable {
        name: "migration_history",
        columns: &[
            ("id", "bigint"),
            ("tenant", "character varying(48)"),
            ("schema", "text"),
            ("revision", "integer"),
            ("migration_name", "text"),
            ("checksum", "text"),
            ("status", "text"),
            ("backup", "text"),
            ("started", "timestamp with time zone"),
            ("finished", "timestamp with time zone"),
            ("by", "text"),
        ],
        indexes: &[
            "idx_migration_history_tenant",
        ],
        constraints: &[
            "migration_history_pkey",
            "migration_history_status_check",
        ],
        triggers: &[],
    },
    ExpectedTable {
        name: "serving_roles",
        columns: &[
            ("role", "text"),
        ],
        indexes: &[],
        constraints: &[
            "serving_roles_pkey",
        ],
        triggers: &[],
    },
];
