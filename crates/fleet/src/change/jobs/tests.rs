//! Checks that repairs are decided from objects and kinds, never from the words of messages.

use context_store::postgres::ConnectionMode;
use context_testing::OWNER;

use super::*;
use crate::change::plan::Plan;
use crate::examine::tenants::find_not_in_force;
use crate::fleet::Fleet;

fn tenant() -> TenantId {
    "default".parse().unwrap()
}

fn examination(findings: &[(DatabaseObject, FindingKind)]) -> Examination {
    let finding = |(object, kind): &(DatabaseObject, FindingKind)| {
        Finding::of_tenant(&tenant(), object.clone(), kind.clone())
    };
    Examination { tenants: findings.iter().map(finding).collect(), ..Examination::default() }
}

fn index(name: &str) -> DatabaseObject {
    DatabaseObject::index("tenant_default", "contexts", name)
}

#[test]
fn the_function_is_chosen_by_object_and_kind() {
    let schema = || DatabaseObject::schema("tenant_default");
    let granted = || FindingKind::NotGranted { role: "r".to_owned() };
    let missing = || FindingKind::Missing;
    for (findings, function) in [
        (vec![(schema(), granted())], TenantFunction::Grant),
        (vec![(schema(), FindingKind::Open), (schema(), granted())], TenantFunction::Grant),
        (vec![(schema(), granted()), (index("i"), missing())], TenantFunction::Complete),
        (vec![(index("i"), missing()), (DatabaseObject::DirectoryRow, missing())], TenantFunction::Provision),
    ] {
        let jobs = jobs_for(&[tenant()], &examination(&findings));
        let expected = Job::Repair { invalid: Vec::new(), function };
        assert_eq!(jobs, [(tenant(), expected)], "{findings:?}");
    }
    let altered = FindingKind::Altered(context_store::postgres::completeness::Alteration::Unlogged);
    assert_eq!(jobs_for(&[tenant()], &examination(&[(schema(), altered)])), []);
}

#[test]
fn objects_with_the_same_words_are_repaired_by_different_statements() {
    let make = [DatabaseObject::index, DatabaseObject::constraint];
    for (make, statements) in make.into_iter().zip([
        ["DROP INDEX \"s\".\"a of b\";", "DROP INDEX \"s\".\"a\";"],
        [
            "ALTER TABLE \"s\".\"c\" DROP CONSTRAINT \"a of b\";",
            "ALTER TABLE \"s\".\"b of c\" DROP CONSTRAINT \"a\";",
        ],
    ]) {
        let objects = [make("s", "c", "a of b"), make("s", "b of c", "a")];
        let [first, second] = objects.each_ref().map(ToString::to_string);
        assert_eq!(first, second);
        assert_eq!(objects.each_ref().map(drop_statement), statements.map(|text| Some(text.to_owned())));
    }
}

#[test]
fn names_cannot_end_their_quotes() {
    for (name, quoted) in
        [("two words", "\"two words\""), ("a\"; DROP", "\"a\"\"; DROP\""), ("A.b", "\"A.b\"")]
    {
        let statement = format!("DROP INDEX \"tenant_default\".{quoted};");
        assert_eq!(drop_statement(&index(name)), Some(statement));
    }
}

#[tokio::test]
async fn invalid_objects_with_odd_names_are_found_and_dropped() {
    let server = context_testing::postgres().await;
    let name = server.create_database("odd").await;
    let url = server.url_as(OWNER, &name).parse().unwrap();
    let mut fleet = Fleet::connect(&url, ConnectionMode::Auto).await.unwrap();
    let plan = Plan { tenants: vec![tenant()], serving_roles: Vec::new(), workers: 1 };
    fleet.bootstrap(&plan, &mut |_| {}).await.unwrap();
    let damage = r#"CREATE INDEX "two words" ON tenant_default.contexts (title);
        CREATE INDEX "a ""quoted"" of contexts" ON tenant_default.contexts (title);
        ALTER TABLE tenant_default.contexts ADD CONSTRAINT "it's; odd" CHECK (title <> 'x') NOT VALID;
        UPDATE pg_index SET indisvalid = false
        WHERE indexrelid IN ('tenant_default."two words"'::regclass,
                             'tenant_default."a ""quoted"" of contexts"'::regclass)"#;
    server.execute(&name, damage).await;

    let schemas = ["tenant_default".to_owned()];
    let mut found = find_not_in_force(fleet.client(), &schemas).await.unwrap();
    found.sort();
    let constraint = DatabaseObject::constraint("tenant_default", "contexts", "it's; odd");
    assert_eq!(found, [index("a \"quoted\" of contexts"), index("two words"), constraint]);

    let findings: Vec<_> = found.into_iter().map(|object| (object, FindingKind::Invalid)).collect();
    let (installation, session) = (fleet.installation().clone(), &mut fleet.session);
    for (tenant, job) in jobs_for(&[tenant()], &examination(&findings)) {
        assert!(!run_job(session, &installation, &tenant, &job).await.unwrap());
    }
    assert_eq!(find_not_in_force(fleet.client(), &schemas).await.unwrap(), []);
    assert_eq!(fleet.examine(&[tenant()]).await.unwrap(), []);
}
