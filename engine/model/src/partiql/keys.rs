//! What WHERE says of keys: the one item that a write names, and the reads that a SELECT comes to.
//!
//! A SELECT whose every alternative fixes the partition key becomes one query an alternative; any other is a scan.
//! Each read is filtered by the whole condition, so reads may be wider than their alternatives, but no two reads may
//! share an item.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::READS_MAX;
use super::error::StatementError;
use super::range::{SortRange, constants};
use crate::expression::{
    AttributeCondition, Comparator, Condition, Constant, KeyConditions, KeyTest, Operand,
};
use crate::index_key::IndexKeySchema;
use crate::item::Item;
use crate::key::{KeyAttribute, KeyValue};

/// One query that a SELECT comes to.
#[derive(Debug, Clone)]
pub struct KeyedRead {
    /// The values of the partition key's attributes, in their order.
    partition: Vec<Constant>,
    sort: SortRange,
    /// Sort-key attributes that are fixed before the ranged one: `sort[..fixed.len()]`.
    fixed: Vec<Constant>,
    /// What the alternative looks at beside the key, in the order of the text.
    filtered: Vec<String>,
    /// Whether the alternative looks at the sort key in a way that no range has.
    has_open_sort: bool,
}

impl KeyedRead {
    /// The conditions of the query.
    pub fn conditions(&self, key: &IndexKeySchema) -> Result<KeyConditions, StatementError> {
        let equal = |(attribute, constant): (&KeyAttribute, &Constant)| AttributeCondition {
            attribute: attribute.name.clone(),
            test: KeyTest::Equal(constant.clone()),
        };
        let partition = key.partition.iter().zip(&self.partition).map(equal);
        let fixed = key.sort.iter().zip(&self.fixed).map(equal);
        let mut conditions: Vec<_> = partition.chain(fixed).collect();
        if let (Some(attribute), Some(test)) = (key.sort.get(self.fixed.len()), self.sort.test()) {
            conditions.push(AttributeCondition { attribute: attribute.name.clone(), test });
        }
        Ok(KeyConditions::new(conditions)?)
    }

    /// What the alternative looks at beside the key.
    pub fn filtered_names(&self) -> &[String] {
        &self.filtered
    }

    /// The order of reads by partition key, then by sort key.
    pub(super) fn order(&self, other: &Self) -> (Ordering, Ordering) {
        (compare_all(&self.partition, &other.partition), self.sort_order(other))
    }

    fn sort_order(&self, other: &Self) -> Ordering {
        compare_all(&self.fixed, &other.fixed).then_with(|| self.sort.order(&other.sort))
    }

    fn shares_items(&self, other: &Self) -> bool {
        let same_fixed = self.fixed.iter().zip(&other.fixed).all(|(left, right)| left == right);
        let ranges_meet = self.fixed.len() != other.fixed.len() || self.sort.overlaps(&other.sort);
        self.partition == other.partition && same_fixed && ranges_meet
    }

    /// A read of all of the partition key's items, in the place of this one and another.
    fn whole_with(&self, other: Self) -> Self {
        let filtered = self.filtered.iter().cloned().chain(other.filtered).collect();
        Self { sort: SortRange::whole(), fixed: Vec::new(), filtered, has_open_sort: true, ..self.clone() }
    }
}

/// The queries that a condition comes to; `None` if it needs a scan.
pub(super) fn keyed_reads(
    condition: &Condition,
    key: &IndexKeySchema,
) -> Result<Option<Vec<KeyedRead>>, StatementError> {
    if !is_keyed(condition, key) {
        return Ok(None);
    }
    let alternatives = alternatives(condition, key)?;
    if alternatives.iter().any(|alternative| alternative.contradicts_itself()) {
        return Ok(None);
    }
    let mut reads = Vec::new();
    for alternative in &alternatives {
        reads.extend(alternative.read(key)?);
    }
    without_shared_items(reads).map(Some)
}

/// Refuses reads that share items, unless that comes from a condition on the sort key that no range has: then the
/// reads of that partition key become one.
fn without_shared_items(reads: Vec<KeyedRead>) -> Result<Vec<KeyedRead>, StatementError> {
    let mut apart: Vec<KeyedRead> = Vec::new();
    for read in reads {
        match apart.iter().find(|known| known.shares_items(&read)) {
            None => apart.push(read),
            Some(known) if known.has_open_sort || read.has_open_sort => {
                let whole = known.whole_with(read);
                apart.retain(|known| known.partition != whole.partition);
                apart.push(whole);
            }
            Some(_) => return Err(StatementError::Overlap),
        }
    }
    Ok(apart)
}

/// The item that a write names: `key = value` for every key attribute, all of them beside each other.
pub(super) fn written_key(
    condition: Option<&Condition>,
    key: &IndexKeySchema,
) -> Result<Item, StatementError> {
    let mut named = BTreeMap::new();
    for term in condition.into_iter().flat_map(conjuncts) {
        let Some((name, constant)) = equality(term) else { continue };
        if !key.contains(name) {
            continue;
        }
        match named.insert(name.to_owned(), constant.clone()) {
            Some(other) if other != *constant => {
                return Err(StatementError::KeyTwice { attribute: name.to_owned() });
            }
            _ => {}
        }
    }
    if named.len() < key.attributes().count() {
        return Err(StatementError::KeyMissing);
    }
    Ok(named.into_iter().map(|(name, constant)| (name, constant.value().clone())).collect())
}

/// The item that a read of exactly one names, by its key and nothing else.
pub(super) fn exact_key(condition: Option<&Condition>, key: &IndexKeySchema) -> Option<Item> {
    let mut named: BTreeMap<&str, &Constant> = BTreeMap::new();
    for term in conjuncts(condition?) {
        let (name, constant) = equality(term).or_else(|| only_candidate(term))?;
        let is_key = key.contains(name);
        if !is_key || named.insert(name, constant).is_some_and(|other| other != constant) {
            return None;
        }
    }
    let is_complete = named.len() == key.attributes().count();
    is_complete.then(|| {
        named.into_iter().map(|(name, constant)| (name.to_owned(), constant.value().clone())).collect()
    })
}

/// The item that EXISTS names, and what else is asked of it. Of two values for a key the first counts as the key.
pub(super) fn checked_key(
    condition: Option<&Condition>,
    key: &IndexKeySchema,
) -> Result<(Item, Condition), StatementError> {
    let mut named = BTreeMap::new();
    let mut rest = Vec::new();
    for term in condition.into_iter().flat_map(conjuncts) {
        match equality(term).filter(|(name, _)| key.contains(name)) {
            Some((name, constant)) if named.get(name).is_none_or(|first| first == constant.value()) => {
                named.insert(name.to_owned(), constant.value().clone());
            }
            _ => rest.push(term.clone()),
        }
    }
    if named.len() < key.attributes().count() || rest.is_empty() {
        return Err(StatementError::ExistsShape);
    }
    Ok((Item::from(named), Condition::And(rest)))
}

/// The terms that must all hold, through any grouping.
fn conjuncts(condition: &Condition) -> Vec<&Condition> {
    match condition {
        Condition::And(terms) => terms.iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// `name = constant`, either way round.
fn equality(condition: &Condition) -> Option<(&str, &Constant)> {
    match condition {
        Condition::Compare { comparator: Comparator::Equal, left, right } => match (left, right) {
            (Operand::Path(path), Operand::Constant(constant))
            | (Operand::Constant(constant), Operand::Path(path))
                if path.rest.is_empty() =>
            {
                Some((&path.name, constant))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `name IN [constant]`
fn only_candidate(condition: &Condition) -> Option<(&str, &Constant)> {
    match condition {
        Condition::In { value: Operand::Path(path), candidates } if path.rest.is_empty() => {
            match candidates.as_slice() {
                [Operand::Constant(constant)] => Some((&path.name, constant)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether every alternative fixes the whole partition key.
fn is_keyed(condition: &Condition, key: &IndexKeySchema) -> bool {
    key.partition.iter().all(|attribute| fixes(condition, &attribute.name))
}

fn fixes(condition: &Condition, name: &str) -> bool {
    match condition {
        Condition::And(terms) => terms.iter().any(|term| fixes(term, name)),
        Condition::Or(terms) => !terms.is_empty() && terms.iter().all(|term| fixes(term, name)),
        leaf => values(leaf).is_some_and(|(fixed, _)| fixed == name),
    }
}

/// `name = constant` or `name IN [constants]`
fn values(condition: &Condition) -> Option<(&str, Vec<&Constant>)> {
    if let Some((name, constant)) = equality(condition) {
        return Some((name, vec![constant]));
    }
    let Condition::In { value: Operand::Path(path), candidates } = condition else { return None };
    let constants = candidates.iter().map(|candidate| match candidate {
        Operand::Constant(constant) => Some(constant),
        _ => None,
    });
    path.rest.is_empty().then_some(())?;
    Some((&path.name, constants.collect::<Option<_>>()?))
}

/// One way for a condition to hold.
#[derive(Debug, Clone, Default)]
struct Alternative {
    /// By attribute: what the partition key is, and what is asked of the sort key.
    fixed: Vec<(String, Constant)>,
    tests: Vec<(String, KeyTest)>,
    filtered: Vec<String>,
    has_open_sort: bool,
}

impl Alternative {
    fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.fixed.extend(other.fixed.iter().cloned());
        both.tests.extend(other.tests.iter().cloned());
        both.filtered.extend(other.filtered.iter().cloned());
        both.has_open_sort |= other.has_open_sort;
        both
    }

    /// Whether the partition key would have to be two values.
    fn contradicts_itself(&self) -> bool {
        let differ = |(name, constant): &(String, Constant)| {
            self.fixed.iter().any(|(other_name, other)| other_name == name && other != constant)
        };
        self.fixed.iter().any(differ)
    }

    /// The read that finds its items; none if no item can meet it.
    fn read(&self, key: &IndexKeySchema) -> Result<Option<KeyedRead>, StatementError> {
        let partition = key.partition.iter().map(|attribute| {
            let fixed = self.fixed.iter().find(|(name, _)| *name == attribute.name);
            let (_, constant) = fixed.ok_or(StatementError::KeyMissing)?;
            check_type(attribute, constant)?;
            Ok(constant.clone())
        });
        let partition = partition.collect::<Result<_, StatementError>>()?;
        let mut read = KeyedRead {
            partition,
            sort: SortRange::whole(),
            fixed: Vec::new(),
            filtered: self.filtered.clone(),
            has_open_sort: self.has_open_sort,
        };
        for attribute in &key.sort {
            let range = self.range(attribute)?;
            if range.is_empty() {
                return Ok(None);
            }
            match range.test() {
                Some(KeyTest::Equal(constant)) if key.sort.len() > read.fixed.len() + 1 => {
                    read.fixed.push(constant);
                }
                _ => {
                    read.sort = range;
                    break;
                }
            }
        }
        Ok(Some(read))
    }

    fn range(&self, attribute: &KeyAttribute) -> Result<SortRange, StatementError> {
        let mut range = SortRange::whole();
        for (_, test) in self.tests.iter().filter(|(name, _)| *name == attribute.name) {
            check_test(attribute, test)?;
            range.narrow(test);
        }
        Ok(range)
    }
}

/// The ways for a condition to hold, as far as keys tell them apart.
fn alternatives(condition: &Condition, key: &IndexKeySchema) -> Result<Vec<Alternative>, StatementError> {
    match condition {
        Condition::And(terms) => {
            let mut product = vec![Alternative::default()];
            for term in terms {
                let factor = alternatives(term, key)?;
                check_count(product.len() * factor.len())?;
                let both =
                    |left: &Alternative| factor.iter().map(|right| left.and(right)).collect::<Vec<_>>();
                product = product.iter().flat_map(both).collect();
            }
            Ok(product)
        }
        Condition::Or(terms) if terms.iter().any(|term| tells_keys_apart(term, key)) => {
            let mut sum = Vec::new();
            for term in terms {
                sum.extend(alternatives(term, key)?);
                check_count(sum.len())?;
            }
            Ok(sum)
        }
        leaf => leaf_alternatives(leaf, key),
    }
}

fn leaf_alternatives(leaf: &Condition, key: &IndexKeySchema) -> Result<Vec<Alternative>, StatementError> {
    if let Some((name, constants)) = values(leaf) {
        let each = |constant: &&Constant| {
            let mut alternative = Alternative::default();
            match is_one_of(&key.partition, name) {
                true => alternative.fixed.push((name.to_owned(), (*constant).clone())),
                false => alternative.tests.push((name.to_owned(), KeyTest::Equal((*constant).clone()))),
            }
            alternative
        };
        if is_one_of(&key.partition, name) || is_one_of(&key.sort, name) {
            check_count(constants.len())?;
            return Ok(constants.iter().map(each).collect());
        }
    }
    let mut alternative = Alternative::default();
    match range_test(leaf) {
        Some((name, test)) if is_one_of(&key.sort, name) => alternative.tests.push((name.to_owned(), test)),
        _ => {
            for path in leaf.paths() {
                alternative.has_open_sort |= is_one_of(&key.sort, &path.name);
                alternative.filtered.push(path.name.clone());
            }
        }
    }
    Ok(vec![alternative])
}

/// Whether a condition is, or holds beside others, one on a key that a read can ask for.
fn tells_keys_apart(condition: &Condition, key: &IndexKeySchema) -> bool {
    match condition {
        Condition::And(terms) | Condition::Or(terms) => terms.iter().any(|term| tells_keys_apart(term, key)),
        leaf => {
            let named = values(leaf).map(|(name, _)| name);
            let ranged = || range_test(leaf).map(|(name, _)| name).filter(|name| is_one_of(&key.sort, name));
            named
                .filter(|name| is_one_of(&key.partition, name) || is_one_of(&key.sort, name))
                .or_else(ranged)
                .is_some()
        }
    }
}

/// A condition on one attribute that a range of values has.
fn range_test(condition: &Condition) -> Option<(&str, KeyTest)> {
    match condition {
        Condition::Compare { comparator, left, right } => match (left, right) {
            (Operand::Path(path), Operand::Constant(constant)) if path.rest.is_empty() => {
                Some((&path.name, compare_test(*comparator, constant)?))
            }
            (Operand::Constant(constant), Operand::Path(path)) if path.rest.is_empty() => {
                Some((&path.name, compare_test(comparator.flipped(), constant)?))
            }
            _ => None,
        },
        Condition::Between {
            value: Operand::Path(path),
            lower: Operand::Constant(lower),
            upper: Operand::Constant(upper),
        } if path.rest.is_empty() => Some((&path.name, KeyTest::Between(lower.clone(), upper.clone()))),
        Condition::BeginsWith { operand: Operand::Path(path), prefix: Operand::Constant(prefix) }
            if path.rest.is_empty() =>
        {
            Some((&path.name, KeyTest::BeginsWith(prefix.clone())))
        }
        _ => None,
    }
}

fn compare_test(comparator: Comparator, constant: &Constant) -> Option<KeyTest> {
    let constant = constant.clone();
    Some(match comparator {
        Comparator::Equal => KeyTest::Equal(constant),
        Comparator::NotEqual => return None,
        Comparator::Less => KeyTest::Less(constant),
        Comparator::LessOrEqual => KeyTest::LessOrEqual(constant),
        Comparator::Greater => KeyTest::Greater(constant),
        Comparator::GreaterOrEqual => KeyTest::GreaterOrEqual(constant),
    })
}

fn is_one_of(attributes: &[KeyAttribute], name: &str) -> bool {
    attributes.iter().any(|attribute| attribute.name == name)
}

fn check_count(reads: usize) -> Result<(), StatementError> {
    if reads > READS_MAX { Err(StatementError::TooManyReads) } else { Ok(()) }
}

fn check_test(attribute: &KeyAttribute, test: &KeyTest) -> Result<(), StatementError> {
    constants(test).into_iter().try_for_each(|constant| check_type(attribute, constant))
}

fn check_type(attribute: &KeyAttribute, constant: &Constant) -> Result<(), StatementError> {
    let value = KeyValue::try_from(constant.value().clone());
    if value.is_ok_and(|value| value.kind() == attribute.kind) {
        Ok(())
    } else {
        Err(StatementError::KeyType { attribute: attribute.name.clone() })
    }
}

/// Lists of constants of pairwise the same types, first difference first.
fn compare_all(left: &[Constant], right: &[Constant]) -> Ordering {
    let range = |constant: &Constant| {
        let mut range = SortRange::whole();
        range.narrow(&KeyTest::Equal(constant.clone()));
        range
    };
    let orders = left.iter().zip(right).map(|(left, right)| range(left).order(&range(right)));
    orders.into_iter().find(|order| order.is_ne()).unwrap_or(left.len().cmp(&right.len()))
}
