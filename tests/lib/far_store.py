"""Why this exists: tests of faults need the product's only store to be a bucket behind a proxy that fails, and beside
it the way to the same bucket on which nothing fails, to see what is really there."""

from lib.crash import MANIFEST, NOTE, SAMPLE
from lib.http_fault_proxy import gcs_error, html_error, reset_after, reset_before, s3_error
from lib.product import Product

# Long enough for the first tries, and short enough for a test that waits for the last.
RETRY_SECONDS = 2
# What each of them says with a status.
S3_CODES = {400: "InvalidRequest", 401: "Unauthorized", 403: "AccessDenied", 404: "NoSuchBucket", 409: "OperationAborted",
            412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalError", 503: "SlowDown"}
GCS_REASONS = {400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "conditionNotMet",
               429: "rateLimitExceeded", 500: "internalError", 503: "backendError"}
REFUSALS = (400, 401, 403, 404, 409, 412)


class FarStore(Product):
    """The product whose only destination is a new bucket of `server` (Minio or FakeGcs) behind `proxy`."""

    def __init__(self, folder, server, proxy, files):
        super().__init__(folder)
        self.server, self.proxy, self.bucket = server, proxy, server.new_bucket()
        self.is_s3 = hasattr(self.bucket, "uploads")
        self.prefix = ""
        self.settings = {"BACKUP_DIR": "none", "DATABASE_URL": None, "CONFIG_PATHS": files,
                         "STORE_RETRY_SECONDS": RETRY_SECONDS}
        if self.is_s3:
            self.keep_secret(server.keys.secret_key)

    @property
    def place(self):
        """As the product names it."""
        return "/".join(part for part in (f"{'s3' if self.is_s3 else 'gs'}:/", str(self.bucket), self.prefix) if part)

    def begin_anew(self):
        """From now on with a prefix of its own in the bucket: nothing there, and nothing known of it."""
        self.prefix = f"{int(self.prefix or 0) + 1}"
        self.proxy.clear()
        self.proxy.seen.clear()

    def environment(self, changes=None):
        via = self.server.environment(self.bucket, endpoint=self.proxy.url)
        prefix = {"S3_PREFIX" if self.is_s3 else "GCS_PREFIX": self.prefix}
        return super().environment(via | prefix | self.settings | (changes or {}))

    def directly(self, *words, expect=0, **settings):
        """A run that meets no fault."""
        return self.run(*words, env=self.server.environment(self.bucket) | settings, expect=expect)

    def error(self, status, **headers):
        """As this store says it."""
        if self.is_s3:
            return s3_error(status, S3_CODES[status], **headers)
        return gcs_error(status, GCS_REASONS[status], **headers)

    def requests_of(self, *words):
        """What a run that goes well asks the store, in order."""
        self.proxy.clear()
        self.proxy.seen.clear()
        self.run(*words)
        return list(self.proxy.seen)

    def meets(self, fault, number, *words, times=1, **settings):
        """How a run ended whose request `number` (from 1) meets the fault, and which request that was."""
        self.proxy.clear()
        self.proxy.seen.clear()
        self.proxy.inject(fault, nth=number, times=times)
        done = self.run(*words, env=settings, expect=None)
        return done, next((seen for seen in self.proxy.seen if seen.fault), None)

    def names(self):
        """Backups that a direct look finds; each must be whole."""
        backups = self.directly("list", "--json").json()["backups"]
        assert [backup["state"] for backup in backups] == ["ok"] * len(backups), backups
        return [backup["name"] for backup in backups]

    def assert_nothing_left(self):
        """Nothing but whole backups, the note and what tells of removals; and no upload that was begun."""
        names = self.names()
        keys = [key.removeprefix(f"{self.prefix}/") for key in self.bucket.keys(f"{self.prefix}/")]
        left = [key for key in keys if key != NOTE and not key.startswith(("removed/", *(f"{name}." for name in names)))]
        assert left == []
        assert sorted(key for key in keys if key.endswith(MANIFEST)) == sorted(name + MANIFEST for name in names)
        if self.is_s3:
            begun = {seen.path.split("/", 2)[2] for seen in self.proxy.requests("POST") if "uploads" in seen.query}
            assert [key for key in begun if self.bucket.uploads(key)] == []

    def assert_says(self, done, *texts):
        """The error names the bucket and has a hint."""
        assert str(self.bucket) in done.err and "hint: " in done.err, done
        for text in texts:
            assert text in done.err, done


def spread(count, faults, hits):
    """(fault, number of a request from 1): `hits` requests of each fault's, at other ones each, so that together they
    meet all of the `count` that there are, as far as `hits` suffices. SAMPLE leaves every n-th."""
    faults = list(faults)
    step = count / hits / len(faults)
    pairs = [(fault, 1 + int(place * step + i * count / hits) % count)
             for place, fault in enumerate(faults) for i in range(hits)]
    return pairs[::SAMPLE]


def passing(far):
    """What a second try gets over."""
    faults = [far.error(429), far.error(500), far.error(503), far.error(503, Retry_After=1), reset_before(), reset_after(),
              html_error(502)]
    if not far.is_s3:
        return faults
    return [*faults, s3_error(403, "RequestTimeTooSkewed"), s3_error(400, "ExpiredToken"),
            s3_error(400, "RequestTimeout"), s3_error(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")]


def refusals(far):
    return [far.error(status) for status in REFUSALS] + [html_error(403), html_error(200)]
