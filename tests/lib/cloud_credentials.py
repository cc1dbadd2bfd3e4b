"""Why this exists: outside a cloud nobody hands out a cloud's credentials, and how they are asked for must be right
to the letter. These two refuse what Amazon and Google would refuse, judged by libraries that are not ours."""

import dataclasses
import datetime
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lib.local_http import Answer, LocalHttp

STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS_MAX = 3600  # "Using OAuth 2.0 for Server to Server Applications": exp, at most an hour after iat
CLAIMS = {"iss", "scope", "aud", "exp", "iat"}
METADATA_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"
IMDS_TOKEN, IMDS_ROLES = "/latest/api/token", "/latest/meta-data/iam/security-credentials/"
IMDS_SECONDS_MAX = 21600  # "Use the Instance Metadata Service": six hours
CONTAINER_PATH = "/v2/credentials/test"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


class TokenServer(LocalHttp):
    """Google's token endpoint for a service account, and a machine's metadata server. Each gives bearer tokens that
    last `lasts` seconds; those given are in `tokens`, and why others were not in `refusals`."""

    email = "backup@project-of-a-test.iam.gserviceaccount.com"
    key_id = "key-of-a-test"

    def __init__(self, tls=None, scope=STORAGE_SCOPE, lasts=3600):
        super().__init__(tls)
        self.scope, self.lasts = scope, lasts
        self.tokens, self.refusals = [], []
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def token_uri(self):
        return f"{self.url}/token"

    def write_key_file(self, path, **changes):
        """The service account's key as Google gives it; `changes` to its fields. Returns the path."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_text(json.dumps({
            "type": "service_account", "project_id": "project-of-a-test", "private_key_id": self.key_id,
            "private_key": private.decode(), "client_email": self.email, "client_id": "1",
            "token_uri": self.token_uri, **changes,
        }))
        path.chmod(0o600)
        return path

    def key_environment(self, path):
        return {"GOOGLE_APPLICATION_CREDENTIALS": self.write_key_file(path)}

    def metadata_environment(self):
        return {"GCE_METADATA_HOST": self.address}

    def answer(self, asked):
        if asked.method == "POST" and asked.path == "/token":
            return self._for_assertion(asked)
        if asked.method == "GET" and asked.path == METADATA_TOKEN:
            return self._for_machine(asked)
        return Answer(404)

    def _for_assertion(self, asked):
        try:
            self._check(dict(asked.form))
        except (jwt.InvalidTokenError, ValueError) as error:
            self.refusals.append(str(error))
            return Answer.json({"error": "invalid_grant", "error_description": str(error)}, 400)
        return self._token()

    def _check(self, form):
        if set(form) != {"grant_type", "assertion"} or form["grant_type"] != JWT_BEARER:
            raise ValueError(f"not a request for a token: {sorted(form)}, {form.get('grant_type')}")
        header = jwt.get_unverified_header(form["assertion"])
        if header != {"alg": "RS256", "typ": "JWT", "kid": self.key_id}:
            raise ValueError(f"the header is {header}")
        claims = jwt.decode(
            form["assertion"], self._key.public_key(), algorithms=["RS256"], audience=self.token_uri,
            issuer=self.email, options={"require": sorted(CLAIMS)})
        if claims["scope"] != self.scope:
            raise ValueError(f"the scope is {claims['scope']}")
        if not 0 < claims["exp"] - claims["iat"] <= ASSERTION_SECONDS_MAX:
            raise ValueError("the assertion lasts longer than an hour")

    def _for_machine(self, asked):
        if asked.headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in asked.headers:
            self.refusals.append("no Metadata-Flavor: Google")
            return Answer(403)
        answer = self._token()
        answer.headers["Metadata-Flavor"] = "Google"
        return answer

    def _token(self):
        self.tokens.append(f"ya29.token-{len(self.tokens)}-of-a-test")
        return Answer.json({"access_token": self.tokens[-1], "expires_in": self.lasts, "token_type": "Bearer"})


@dataclasses.dataclass(frozen=True)
class Keys:
    """An access key, with the session token of a temporary one."""

    access_key: str
    secret_key: str
    token: str = ""

    def environment(self):
        found = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return found | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


class CredentialServer(LocalHttp):
    """A machine's metadata service (IMDSv2 only), a container's credentials and AssumeRoleWithWebIdentity. All give
    `keys`, which may be set anew at any time, and say that they last `lasts` seconds; `given` counts how often."""

    role = "backup-role"
    role_arn = "arn:aws:iam::123456789012:role/backup"
    session_name = "session-of-a-test"
    authorization = "authorization-token-of-a-test"
    web_identity = "web.identity.token-of-a-test"

    def __init__(self, keys, lasts=3600):
        super().__init__()
        self.keys, self.lasts, self.given = keys, lasts, 0
        self._machine_tokens = set()

    def machine_environment(self):
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url}

    def container_environment(self):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url + CONTAINER_PATH,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.authorization}

    def web_identity_environment(self, path):
        """`path`: where the token is written to."""
        path.write_text(self.web_identity)
        return {"AWS_ROLE_ARN": self.role_arn, "AWS_WEB_IDENTITY_TOKEN_FILE": path,
                "AWS_ROLE_SESSION_NAME": self.session_name, "AWS_ENDPOINT_URL_STS": self.url}

    def answer(self, asked):
        if asked.path == IMDS_TOKEN:
            return self._machine_token(asked)
        if asked.path.startswith("/latest/"):
            return self._machine(asked)
        if asked.path == CONTAINER_PATH:
            return self._container(asked)
        return self._web_identity(asked) if asked.path == "/" else Answer(404)

    def _machine_token(self, asked):
        lasts = asked.headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        if asked.method != "PUT":
            return Answer(405)
        if not lasts.isdigit() or not 1 <= int(lasts) <= IMDS_SECONDS_MAX:
            return Answer(400)
        self._machine_tokens.add(f"machine-token-{len(self._machine_tokens)}==")
        token = f"machine-token-{len(self._machine_tokens) - 1}=="
        return Answer(200, token.encode(), {"X-aws-ec2-metadata-token-ttl-seconds": lasts})

    def _machine(self, asked):
        if asked.headers.get("x-aws-ec2-metadata-token") not in self._machine_tokens:
            return Answer(401)
        if asked.method == "GET" and asked.path == IMDS_ROLES:
            return Answer(200, self.role.encode())
        if asked.method == "GET" and asked.path == IMDS_ROLES + self.role:
            return Answer.json({"Code": "Success", "LastUpdated": moment(0), "Type": "AWS-HMAC", **self._give()})
        return Answer(404)

    def _container(self, asked):
        if asked.method != "GET" or asked.headers.get("authorization") != self.authorization:
            return Answer.json({"code": "AccessDenied", "message": "the authorization token is wrong"}, 401)
        return Answer.json({"RoleArn": self.role_arn, **self._give()})

    def _web_identity(self, asked):
        expected = {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": self.role_arn,
            "RoleSessionName": self.session_name, "WebIdentityToken": self.web_identity,
        }
        # In a body: what stands in a URL ends up in logs.
        form = dict(asked.form) if asked.method == "POST" and not asked.query else {}
        wrong = sorted(name for name in expected | form
                       if form.get(name) != expected.get(name) and name != "DurationSeconds")
        if wrong:
            return xml(f"<ErrorResponse xmlns='{STS_NAMESPACE}'><Error><Type>Sender</Type><Code>InvalidIdentityToken"
                       f"</Code><Message>wrong: {', '.join(wrong)}</Message></Error></ErrorResponse>", 400)
        keys = self._give()
        return xml(
            f"<AssumeRoleWithWebIdentityResponse xmlns='{STS_NAMESPACE}'><AssumeRoleWithWebIdentityResult>"
            f"<SubjectFromWebIdentityToken>subject</SubjectFromWebIdentityToken><Audience>audience</Audience>"
            f"<AssumedRoleUser><Arn>{self.role_arn}</Arn><AssumedRoleId>ID:x</AssumedRoleId></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{keys['AccessKeyId']}</AccessKeyId>"
            f"<SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey>"
            f"<SessionToken>{keys['Token']}</SessionToken><Expiration>{keys['Expiration']}</Expiration></Credentials>"
            f"</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")

    def _give(self):
        self.given += 1
        return {"AccessKeyId": self.keys.access_key, "SecretAccessKey": self.keys.secret_key,
                "Token": self.keys.token, "Expiration": moment(self.lasts)}


def moment(seconds_from_now):
    instant = datetime.datetime.fromtimestamp(time.time() + seconds_from_now, datetime.timezone.utc)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def xml(text, status=200):
    return Answer(status, text.encode(), {"Content-Type": "text/xml"})
