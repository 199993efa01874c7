//! Accounts and transfers between them; judged by totals, and by each transfer being done once.

use basalt_checkers::{
    bank::{self, Statement, Transfer},
    stream::check_chain,
};
use serde_json::{Value, json};

use super::{Arena, Finding, View, Witness, lines, testimonies};
use crate::{
    connection::Service,
    session::{Session, Told},
    tail::Records,
    wire::{attributes, key_schema, list, number, stream, text},
};

const TABLE: &str = "bank";
const ACCOUNTS: usize = 8;
const INITIAL: i64 = 50;

/// The arena of transfers.
pub(crate) struct Bank {
    pub(crate) clients: u32,
}

#[derive(Debug, Default)]
struct Seen {
    transfers: Vec<Transfer>,
    statements: Vec<Statement>,
}

impl Witness for Seen {}

impl Arena for Bank {
    fn tables(&self) -> Vec<Value> {
        vec![json!({
            "TableName": TABLE,
            "AttributeDefinitions": attributes(&["pk:S"]),
            "KeySchema": key_schema(&["pk"]),
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": stream(),
        })]
    }

    fn streamed_table(&self) -> Option<&'static str> {
        Some(TABLE)
    }

    fn bystanders(&self, name: &str) -> Vec<(&'static str, Value)> {
        vec![(TABLE, json!({"pk": text(name)}))]
    }

    fn views(&self) -> Vec<View> {
        vec![(TABLE, None)]
    }

    fn client_count(&self) -> u32 {
        self.clients
    }

    fn begin_round(&self, session: &mut Session<'_>) -> Result<(), String> {
        for account in 0..ACCOUNTS {
            let mut item = key(session, account);
            item["balance"] = number(INITIAL);
            session.demand(Service::Tables, "PutItem", &json!({"TableName": TABLE, "Item": item}))?;
        }
        Ok(())
    }

    fn run_client(&self, session: &mut Session<'_>) -> Result<Box<dyn Witness>, String> {
        let mut client = Client { session, seen: Seen::default() };
        while !client.session.course.is_over() {
            client.step()?;
        }
        Ok(Box::new(client.seen))
    }

    fn judge(
        &self,
        session: &mut Session<'_>,
        witnesses: Vec<Box<dyn Witness>>,
        records: &Records,
    ) -> Result<Finding, String> {
        let mut client = Client { session, seen: Seen::default() };
        for seen in testimonies::<Seen>(witnesses) {
            client.seen.transfers.extend(seen.transfers);
            client.seen.statements.extend(seen.statements);
        }
        while !client.read_all()? {}
        let Seen { transfers, statements } = &client.seen;
        let mut finding = Finding::default();
        finding.judged("transfers", transfers.len());
        finding.judged("statements of the bank", statements.len());
        for fault in bank::check(&[INITIAL; ACCOUNTS], transfers, statements) {
            let both = || format!("transfers:\n{}statements:\n{}", lines(transfers), lines(statements));
            finding.fault(format!("bank: {fault}"), both);
        }
        for account in 0..ACCOUNTS {
            let key = key(client.session, account);
            let read = json!({"TableName": TABLE, "Key": key, "ConsistentRead": true});
            let answer = client.session.demand(Service::Tables, "GetItem", &read)?;
            let records = records.of(&key);
            finding.judged("stream records", records.len());
            for fault in check_chain(records, answer.get("Item")) {
                finding.fault(format!("{key}: stream: {fault}"), || lines(records));
            }
        }
        Ok(finding)
    }
}

struct Client<'s, 'c> {
    session: &'s mut Session<'c>,
    seen: Seen,
}

impl Client<'_, '_> {
    fn step(&mut self) -> Result<(), String> {
        match self.session.chance.below(8) {
            0..=1 => self.transfer(),
            2 => self.touch(),
            _ => self.read_all().map(drop),
        }
    }

    fn transfer(&mut self) -> Result<(), String> {
        let accounts = self.session.chance.several(2, ACCOUNTS as u64);
        let amount = 1 + self.session.chance.below(40) as i64;
        let transfer = Transfer { from: accounts[0] as usize, to: accounts[1] as usize, amount };
        let update = |account, sign: char| {
            json!({
                "TableName": TABLE,
                "Key": key(self.session, account),
                "UpdateExpression": format!("SET balance = balance {sign} :amount"),
                "ExpressionAttributeValues": {":amount": number(amount)},
            })
        };
        let mut payer = update(transfer.from, '-');
        payer["ConditionExpression"] = json!("balance >= :amount");
        let actions = json!([{"Update": payer}, {"Update": update(transfer.to, '+')}]);
        let token = format!("transfer-{}", self.session.fresh());
        let body = json!({"TransactItems": actions, "ClientRequestToken": token});
        if let (Told::Answer(_), _) = self.session.transact_once(&body)? {
            self.seen.transfers.push(transfer);
        }
        Ok(())
    }

    /// Changes an account without moving money, beside the transactions.
    fn touch(&mut self) -> Result<(), String> {
        let account = self.session.chance.below(ACCOUNTS as u64) as usize;
        let body = json!({
            "TableName": TABLE,
            "Key": key(self.session, account),
            "UpdateExpression": "SET touched = :by",
            "ExpressionAttributeValues": {":by": number(self.session.fresh())},
        });
        self.session.call("UpdateItem", &body).map(drop)
    }

    /// Reads all accounts at once; false if that was refused.
    fn read_all(&mut self) -> Result<bool, String> {
        let gets: Vec<Value> = (0..ACCOUNTS)
            .map(|account| json!({"Get": {"TableName": TABLE, "Key": key(self.session, account)}}))
            .collect();
        let (told, span) = self.session.call("TransactGetItems", &json!({"TransactItems": gets}))?;
        let Told::Answer(answer) = told else { return Ok(false) };
        let mut balances = Vec::new();
        for response in list(&answer, "Responses")? {
            let digits = response["Item"]["balance"]["N"].as_str();
            let balance = digits.and_then(|digits| digits.parse().ok());
            balances.push(balance.ok_or_else(|| format!("an account without a balance: {answer}"))?);
        }
        self.seen.statements.push(Statement { span, balances });
        Ok(true)
    }
}

fn key(session: &Session<'_>, account: usize) -> Value {
    json!({"pk": text(format!("{}-{account}", session.course.round))})
}
