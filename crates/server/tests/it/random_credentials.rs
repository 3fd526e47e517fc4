//! Random requests with random credentials, compared with a small model of who may see what.
//! `CREDENTIAL_REQUESTS` is their number (1,000), `CREDENTIAL_SEED` the seed (0).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use context_domain::access::{Access, Permission};
use context_domain::clock::{Clock, SystemClock};
use context_domain::id::{IdSource, KeyId, RandomIds};
use serde_json::{Value, json};

use crate::authorization::{Needs, needs, request, tenant_access, unknown_token};
use crate::openapi::operations;
use crate::support::{Answer, Call, Server};

const TENANTS: [&str; 5] = ["t0", "t1", "t2", "t3", "t4"];

/// Pseudo-random numbers from a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// A credential that a request may have, and what the model knows about it.
struct Credential {
    header: Option<String>,
    /// The access that it gives; `None` if it is not a valid key.
    access: Option<Access>,
}

/// The result that the model expects.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Verdict {
    Unknown,
    NoSuchTenant,
    Forbidden,
    Admitted,
}

fn verdict(needs: Needs, access: Option<&Access>, tenant: &str) -> Verdict {
    match (needs, access) {
        (Needs::AnyKey | Needs::InTenant(_) | Needs::Operator, None) => Verdict::Unknown,
        (Needs::Operator, Some(Access::Tenant { .. })) => Verdict::Forbidden,
        (Needs::InTenant(_), Some(Access::Tenant { tenant: own, .. })) if own.as_str() != tenant => {
            Verdict::NoSuchTenant
        }
        (Needs::InTenant(needed), Some(Access::Tenant { permission, .. })) if *permission < needed => {
            Verdict::Forbidden
        }
        (Needs::Nothing, _)
        | (Needs::AnyKey, Some(_))
        | (_, Some(Access::Operator))
        | (Needs::InTenant(_), Some(Access::Tenant { .. })) => Verdict::Admitted,
    }
}

/// The server, all credentials, and the ids in each tenant.
struct Trial {
    server: Server,
    random: Random,
    credentials: Vec<Credential>,
    operator: String,
    /// The names under which changes of each tenant may be recorded.
    writers: BTreeMap<&'static str, BTreeSet<String>>,
    ids: BTreeMap<&'static str, Vec<String>>,
    /// Whether the tenant `nobody`, which operators create and drop, exists.
    nobody_exists: bool,
}

impl Trial {
    async fn new(seed: u64) -> Self {
        let server = Server::with_keys().await;
        let soon = SystemClock.now().saturating_add_micros(600_000_000);
        let (operator_id, operator) = server.key(Access::Operator, None).await;
        let mut trial = Self {
            server,
            random: Random(seed),
            credentials: Vec::new(),
            operator: operator.clone(),
            writers: BTreeMap::new(),
            ids: BTreeMap::new(),
            nobody_exists: false,
        };
        for tenant in TENANTS {
            trial.server.tenant(tenant).await;
            trial.writers.insert(tenant, BTreeSet::from([format!("key:{operator_id}")]));
            for permission in Permission::ALL {
                let access = tenant_access(tenant, permission);
                let id = trial.add_key(access.clone(), None).await;
                if permission >= Permission::Write {
                    trial.writers.get_mut(tenant).unwrap().insert(format!("key:{id}"));
                }
                let (id, token) = trial.server.key(access.clone(), None).await;
                trial.server.revoke(&id).await;
                trial.add_credential(&format!("Bearer {token}"), None);
                let (_, token) = trial.server.key(access, Some(soon)).await;
                trial.add_credential(&format!("Bearer {token}"), None);
            }
        }
        for _ in 0..3 {
            trial.add_credential(&format!("Bearer {operator}"), Some(Access::Operator));
            trial.credentials.push(Credential { header: None, access: None });
        }
        let (id, token) = trial.server.key(Access::Operator, None).await;
        trial.server.revoke(&id).await;
        for garbage in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Basic eDp5",
            "cs_",
            &operator,
            &format!("Token {operator}"),
        ] {
            trial.add_credential(garbage, None);
        }
        trial.add_credential(&format!("Bearer {token}"), None);
        trial.add_credential(&format!("Bearer {}", unknown_token()), None);
        trial.add_credential(&format!("Bearer {}", operator.to_uppercase()), None);
        trial.server.knobs.advance(Duration::from_mins(20));
        for tenant in TENANTS {
            trial.fill(tenant).await;
        }
        trial
    }

    fn add_credential(&mut self, header: &str, access: Option<Access>) {
        self.credentials.push(Credential { header: Some(header.to_owned()), access });
    }

    async fn add_key(
        &mut self,
        access: Access,
        expires_at: Option<context_domain::clock::Timestamp>,
    ) -> KeyId {
        let (id, token) = self.server.key(access.clone(), expires_at).await;
        self.add_credential(&format!("Bearer {token}"), Some(access));
        id
    }

    /// Writes data by which the tenant can be recognized.
    async fn fill(&mut self, tenant: &'static str) {
        let data =
            json!({"context_type": "note", "title": secret(tenant), "context_data": {"s": secret(tenant)}});
        let base = format!("/v1/tenants/{tenant}");
        let call = |method: &str, path: &str| {
            let call = self.server.call(method, &format!("{base}{path}")).bearer(&self.operator).json(&data);
            if method == "PUT" { call.header("if-none-match", "*") } else { call }
        };
        let made = call("POST", "/contexts").send().await.json()["id"].as_str().unwrap().to_owned();
        call("PUT", "/tree/p/b/t").send().await;
        self.ids.entry(tenant).or_default().push(made);
    }

    async fn step(&mut self, all: &[(String, String)]) -> Verdict {
        let operation = self.random.pick(all).clone();
        let needs = needs(&operation.0, &operation.1);
        let tenant = *self.random.pick(&["t0", "t1", "t2", "t3", "t4", "nobody"]);
        let home = *self.random.pick(&TENANTS);
        let id = match self.random.below(4) {
            0 => format!("ctx_{}", RandomIds.uuid()),
            _ => self.ids[home].last().unwrap().clone(),
        };
        // The five tenants stay: only `nobody` is dropped.
        let target = if operation.0 == "DELETE" && needs == Needs::Operator { "nobody" } else { tenant };
        let at = self.random.below(self.credentials.len());
        let credential = &self.credentials[at];
        let (header, access) = (credential.header.clone(), credential.access.clone());
        let call = self.searching(request(&self.server, &operation, target, &id), &operation);
        let call = if let Some(header) = &header { call.header("authorization", header) } else { call };
        let answer = call.send().await;
        let expected = verdict(needs, access.as_ref(), target);
        let place = format!("{operation:?} in {target} on {id} by {header:?}");
        check(&answer, expected, (target, self.nobody_exists || target != "nobody"), &place);
        if expected == Verdict::Admitted && needs == Needs::Operator && target == "nobody" {
            self.nobody_exists = match answer.status.as_u16() {
                201 => true,
                204 => false,
                _ => self.nobody_exists,
            };
        }
        self.check_leaks(&answer, (target, &id), access.as_ref(), &place);
        if expected == Verdict::Admitted
            && operation.0 == "DELETE"
            && answer.status == 204
            && TENANTS.contains(&target)
        {
            self.fill(TENANTS[TENANTS.iter().position(|known| *known == target).unwrap()]).await;
        }
        expected
    }

    /// Makes some lists search for the data of another tenant.
    fn searching(&mut self, call: Call, operation: &(String, String)) -> Call {
        if operation.0 != "GET" || !operation.1.ends_with("/contexts") {
            return call;
        }
        let other = *self.random.pick(&TENANTS);
        let search = match self.random.below(4) {
            0 => format!("?q={}", secret(other)),
            1 => format!("?filter=%7B%22s%22%3A%22{}%22%7D", secret(other)),
            2 => "?context_type=note&limit=200".to_owned(),
            _ => String::new(),
        };
        self.server.call("GET", &format!("{}{search}", call.target()))
    }

    /// Checks that a response about a tenant has nothing of another one, and nothing that its caller may not
    /// see.
    fn check_leaks(
        &self,
        answer: &Answer,
        (target, asked): (&str, &str),
        access: Option<&Access>,
        place: &str,
    ) {
        let headers = format!("{:?}", answer.headers);
        let body = String::from_utf8(answer.body.to_vec()).unwrap();
        for tenant in TENANTS {
            let may_see = match access {
                Some(Access::Operator) => true,
                Some(Access::Tenant { tenant: own, .. }) => own.as_str() == tenant,
                None => false,
            };
            if may_see && tenant == target {
                continue;
            }
            assert!(!body.contains(&secret(tenant)), "{place} leaks {tenant}: {body}");
            for id in self.ids[tenant].iter().filter(|id| *id != asked) {
                assert!(
                    !body.contains(id.as_str()) && !headers.contains(id.as_str()),
                    "{place} leaks {id}: {body}"
                );
            }
        }
    }

    /// Checks that every change was written by a caller who may write, and returns the number of changes.
    async fn check_writers(&self) -> usize {
        let mut writes = 0;
        for tenant in TENANTS {
            let mut token = String::new();
            loop {
                let target = format!("/v1/tenants/{tenant}/changes?limit=200{token}");
                let page = self.server.call("GET", &target).bearer(&self.operator).send().await.json();
                for change in page["items"].as_array().unwrap() {
                    let by = change["changed_by"].as_str().unwrap();
                    assert!(self.writers[tenant].contains(by), "{by} wrote in {tenant}: {change}");
                    writes += 1;
                }
                match &page["next_page_token"] {
                    Value::String(next) => token = format!("&page_token={next}"),
                    _ => break,
                }
            }
        }
        writes
    }
}

fn secret(tenant: &str) -> String {
    format!("secretof{tenant}")
}

fn check(answer: &Answer, expected: Verdict, (target, exists): (&str, bool), place: &str) {
    let code = || answer.json()["code"].as_str().unwrap_or_default().to_owned();
    match (expected, answer.status.as_u16()) {
        (Verdict::Unknown, status) => {
            assert_eq!((status, code().as_str()), (401, "unauthenticated"), "{place}");
        }
        (Verdict::NoSuchTenant, status) => {
            assert_eq!((status, code().as_str()), (404, "tenant_not_found"), "{place}");
            assert_eq!(answer.json()["detail"], format!("there is no tenant {target}"), "{place}");
        }
        (Verdict::Forbidden, status) => assert_eq!((status, code().as_str()), (403, "forbidden"), "{place}"),
        (Verdict::Admitted, 404) => {
            let absent = if exists { "not_found" } else { "tenant_not_found" };
            assert_eq!(code(), absent, "{place}");
        }
        (Verdict::Admitted, 200 | 201 | 204 | 409) => {}
        (Verdict::Admitted, 412) => assert_eq!(code(), "precondition_failed", "{place}"),
        (Verdict::Admitted, 422) => assert_eq!(code(), "global_node", "{place}"),
        (Verdict::Admitted, _) => panic!("a wrong refusal: {place} gave {answer:?}"),
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the size of the test, not a setting of the server")]
async fn random_requests_get_what_their_credentials_allow() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (requests, seed) = (number("CREDENTIAL_REQUESTS", 1_000), number("CREDENTIAL_SEED", 0));
    let mut trial = Trial::new(seed).await;
    let all: Vec<_> = operations().collect();
    let mut seen: BTreeMap<Verdict, usize> = BTreeMap::new();
    for _ in 0..requests {
        *seen.entry(trial.step(&all).await).or_default() += 1;
    }
    let writes = trial.check_writers().await;
    println!("{requests} requests from seed {seed}: {seen:?}, {writes} writes");
    assert_eq!(seen.len(), 4, "a verdict was never reached: {seen:?}");
}
