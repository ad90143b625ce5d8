//! Who may call the server's API, and who may read the node's numbers: whoever has a key of the
//! API, the administrator, and while no key is set this machine.

use std::{net::IpAddr, time::Instant};

use crate::{
    metrics::Limited,
    node::{
        Node,
        admin::{Credential, NotAdmin},
        auth::ApiCaller,
    },
};

/// What a request brings for the API, and from where.
#[derive(Clone, Copy)]
pub(crate) struct ApiCredentials<'a> {
    /// A key of the API, right or wrong.
    pub(crate) key: Option<&'a [u8]>,
    /// What may be the administrator's: the bearer's token or key.
    pub(crate) bearer: Option<&'a [u8]>,
    /// The client's address, which pays for wrong keys of the administrator's.
    pub(crate) address: Option<IpAddr>,
    /// It is certainly from this machine.
    pub(crate) is_local: bool,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiDenied {
    /// No key, or a wrong one.
    Key,
    /// No key is set, and the request is not certainly from this machine.
    NotLocal,
    /// It brought a right of the administrator's that does not count for now.
    Admin(NotAdmin),
}

impl Node {
    /// Whose call of the API it is: by a key of the API, or by the administrator's right where the
    /// request brings only that. To be asked once a request, since a wrong key counts.
    ///
    /// # Errors
    /// [`ApiDenied`]: no key or a wrong one, a request from elsewhere while no key is set, or a
    /// right of the administrator's that does not count.
    pub(crate) fn authorize_api(
        &self,
        brought: &ApiCredentials<'_>,
    ) -> Result<ApiCaller, ApiDenied> {
        if brought.key.is_none()
            && let Some(admin) = self.check_admin_if_brought(brought)
        {
            let caller = admin.map(|_| ApiCaller::Admin);
            return caller.map_err(ApiDenied::Admin);
        }
        if !self.api_keys.is_configured() && !brought.is_local {
            return Err(ApiDenied::NotLocal);
        }
        let caller = self.api_keys.find(brought.key.unwrap_or_default());
        caller.ok_or(ApiDenied::Key)
    }

    /// Whose call of the API it is by its key alone, where keys are set and one is brought: all
    /// else that it brings is of no account then, and need not be looked for. As
    /// [`authorize_api`](Self::authorize_api), which it spares most calls.
    pub(crate) fn authorize_key(&self, key: &[u8]) -> Option<Result<ApiCaller, ApiDenied>> {
        let is_configured = self.api_keys.is_configured();
        is_configured.then(|| self.api_keys.find(key).ok_or(ApiDenied::Key))
    }

    /// Lets a reader of the node's numbers in: the administrator, whoever has a key that is set,
    /// and while none is this machine. To be asked once a request.
    ///
    /// # Errors
    /// [`ApiDenied`]: it brought none of these, or the administrator's is refused for now.
    pub(crate) fn authorize_reader(&self, brought: &ApiCredentials<'_>) -> Result<(), ApiDenied> {
        match self.check_admin_if_brought(brought) {
            Some(Ok(_)) => Ok(()),
            Some(Err(why @ NotAdmin::Limited(_))) => Err(ApiDenied::Admin(why)),
            _ => self.check_reader(brought),
        }
    }

    /// Whether what is for anyone shows where things are inside, too: to the same readers, and to a
    /// key of the API even where the administrator's is refused for now. To be asked once a
    /// request.
    #[must_use]
    pub(crate) fn sees_inside(&self, brought: &ApiCredentials<'_>) -> bool {
        let admin = self.check_admin_if_brought(brought);
        matches!(admin, Some(Ok(_))) || self.check_reader(brought).is_ok()
    }

    fn check_reader(&self, brought: &ApiCredentials<'_>) -> Result<(), ApiDenied> {
        if self.api_keys.is_configured() {
            let caller = brought.key.and_then(|key| self.api_keys.find(key));
            caller.map(|_| ()).ok_or(ApiDenied::Key)
        } else if brought.is_local {
            Ok(())
        } else {
            Err(ApiDenied::NotLocal)
        }
    }

    /// Absent where the request brings nothing of an administrator's, or there are none.
    fn check_admin_if_brought(
        &self,
        brought: &ApiCredentials<'_>,
    ) -> Option<Result<Credential, NotAdmin>> {
        let is_brought = self.has_admin() && brought.bearer.is_some();
        is_brought.then(|| self.check_admin(brought.bearer, brought.address))
    }

    /// Takes one publication from the rate of a caller of the API; what is refused is counted.
    #[must_use]
    pub(crate) fn charge_api(&self, caller: ApiCaller) -> bool {
        let passes = self.api_keys.charge(caller, Instant::now());
        if !passes {
            self.metrics.limited(Limited::ApiPublishes);
        }
        passes
    }
}
