//! What UpdateTimeToLive takes, and what becomes of the table's setting.

use basalt_runtime::UnixTime;

use crate::{
    catalog::{TimeToLive, TimeToLiveStatus},
    error::{Error, ValidationError},
};

/// Changes whether a table's items expire.
#[derive(Debug, Clone)]
pub struct UpdateTimeToLive {
    /// The table.
    pub table_name: String,
    /// The attribute that tells when an item expires: seconds since 1970, a number at the top of the item.
    pub attribute: String,
    /// What is to become of it.
    pub change: TimeToLiveChange,
}

/// A change of a table's time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeToLiveChange {
    /// Items expire by the attribute.
    Enable,
    /// Items expire no more.
    Disable,
}

impl UpdateTimeToLive {
    /// The setting that this makes of the present one.
    pub(crate) fn setting_over(
        self,
        present: Option<&TimeToLive>,
        now: UnixTime,
    ) -> Result<TimeToLive, Error> {
        use TimeToLiveStatus::{Disabling, Enabled, Enabling};
        match (self.change, present) {
            (TimeToLiveChange::Disable, None) => Err(ValidationError::TimeToLiveIsDisabled.into()),
            (TimeToLiveChange::Enable, None) => Ok(TimeToLive {
                attribute: self.attribute,
                status: Enabling,
                enabled_unix_us: now.as_micros(),
            }),
            // The change before this one has not come to its end.
            (_, Some(TimeToLive { status: Enabling | Disabling, .. })) => {
                Err(ValidationError::TimeToLiveModifiedTooOften.into())
            }
            (_, Some(present)) if present.attribute != self.attribute => {
                Err(ValidationError::TimeToLiveOfOtherAttribute { present: present.attribute.clone() }.into())
            }
            (TimeToLiveChange::Enable, Some(_)) => Err(ValidationError::TimeToLiveIsEnabled.into()),
            (TimeToLiveChange::Disable, Some(present @ TimeToLive { status: Enabled, .. })) => {
                Ok(TimeToLive { status: Disabling, ..present.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: TimeToLiveChange, attribute: &str, present: Option<TimeToLiveStatus>) -> String {
        let update = UpdateTimeToLive { table_name: "t".into(), attribute: attribute.into(), change };
        let present = present.map(|status| TimeToLive { attribute: "a".into(), status, enabled_unix_us: 5 });
        match update.setting_over(present.as_ref(), UnixTime::from_micros(7)) {
            Ok(setting) => format!("{} {:?} {}", setting.attribute, setting.status, setting.enabled_unix_us),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_a_settled_setting_changes_and_only_to_the_other() {
        use TimeToLiveChange::{Disable, Enable};
        use TimeToLiveStatus::{Disabling, Enabled, Enabling};
        assert_eq!(told(Enable, "a", None), "a Enabling 7");
        assert_eq!(told(Disable, "a", Some(Enabled)), "a Disabling 5");
        assert_eq!(told(Disable, "a", None), "TimeToLive is already disabled");
        assert_eq!(told(Enable, "a", Some(Enabled)), "TimeToLive is already enabled");
        let other = "TimeToLive is active on a different AttributeName: current AttributeName is a";
        assert_eq!(told(Enable, "b", Some(Enabled)), other);
        assert_eq!(told(Disable, "b", Some(Enabled)), other);
        for unsettled in [Enabling, Disabling] {
            for change in [Enable, Disable] {
                let text = told(change, "a", Some(unsettled));
                assert_eq!(text, "Time to live has been modified multiple times within a fixed interval");
            }
        }
    }
}
