"""All settings, from the environment: identity, apps, database, security, storage, mail, jobs, limits.

Every variable is read through portal.env and described in docs/settings.md; a test holds the two against each other.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from django.core.management.utils import get_random_secret_key

from portal import env
from portal.api.document import DOCUMENT

django_stubs_ext.monkeypatch()

ROOT: Final = Path(__file__).resolve().parent.parent

# --- Identity ---------------------------------------------------------------------------------------------------
MODE: Final = env.choice(
    "WEIGHBRIDGE_MODE",
    "test" if {"pytest", "mypy"} & set(sys.modules) else "serve",
    ("demo", "serve", "test", "scaled"),
)
HOME: Final = Path(env.text("WEIGHBRIDGE_HOME", str(ROOT / ".weighbridge"))).absolute()
_RUN: Final = quote(str(HOME / "run"))
"""Where the private servers have their sockets, as addresses spell it."""
BASE_URL: Final = env.origin("BASE_URL", "http://127.0.0.1:8000")
DEBUG = env.flag("DEBUG", default=False)
_LOCAL: Final = MODE in {"demo", "test"}
SECRET_KEY, *SECRET_KEY_FALLBACKS = (
    env.text("SECRET_KEY").split() or [get_random_secret_key()]
    if _LOCAL
    else env.secrets("SECRET_KEY", "the key that signs sessions and links")
)
_HOST: Final = urlsplit(BASE_URL).hostname or ""
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "*" if _LOCAL else f"[{_HOST}]" if ":" in _HOST else _HOST)

# --- Apps -------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.checks",
    "portal.audit",
    "portal.outbox",
    "portal.mail",
    "portal.switches",
    "portal.people",
    "portal.projects",
    "portal.announcements",
    "portal.api",
    "portal.agreements",
    "portal.access",
    "portal.tokens",
    "portal.webhooks",
    "portal.mailbox",
    "releases",
    "inference",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "portal.people.apps.OperatorConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.sitemaps",
    "django.contrib.staticfiles",
    "django.forms",
]
MIDDLEWARE = [
    "releases.hub.target.RawTarget",
    "portal.compression.Compressed",
    "portal.http.Errors",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "releases.hub.shortcut.Shortcut",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.people.language.Locale",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.people.second_factor.RequireOfStaff",
    "releases.hub.limits.Pages",
    "portal.http.Forms",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "portal.people.context.page",
                "portal.access.context.signing",
                "portal.announcements.context.above",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database ---------------------------------------------------------------------------------------------------
DATABASE_URL: Final = env.text("DATABASE_URL", f"postgresql://weighbridge@/weighbridge?host={_RUN}/postgres")
DATABASES = {"default": env.database(DATABASE_URL)}

# --- People -----------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
if MODE == "test":
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGIN_URL = "/account/login/"
LOGIN_REDIRECT_URL = "/me/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "portal.people.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "portal.people.forms.SignupForm"
ACCOUNT_FORMS = {
    "login": "portal.people.account_forms.EntranceForm",
    "signup": "portal.people.account_forms.NewAccountForm",
    "reset_password": "portal.people.account_forms.ForgottenForm",
    "reset_password_from_key": "portal.people.account_forms.ResetForm",
    "change_password": "portal.people.account_forms.NewPasswordForm",
    "add_email": "portal.people.account_forms.AddressForm",
}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_REAUTHENTICATION_METHODS = {"password", "mfa"}  # no code by mail: a session left open has the mailbox beside it
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of whatever opens the account: who did not do it must hear of it
ACCOUNT_DEFAULT_HTTP_PROTOCOL = BASE_URL.split("://")[0]  # of the address that providers send people back to
SOCIALACCOUNT_PROVIDERS = env.sign_in(env.text("SIGN_IN_PROVIDERS"))
SOCIALACCOUNT_ADAPTER = "portal.people.adapters.LinkedAccountAdapter"
SOCIALACCOUNT_FORMS = {
    "signup": "portal.people.account_forms.LinkedSignupForm",
    "disconnect": "portal.people.account_forms.UnlinkForm",
}
SOCIALACCOUNT_AUTO_SIGNUP = False  # nobody gets a second account unasked
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # an address alone opens no account, whoever vouches for it
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
STEP_UP = env.flag("STEP_UP", default=not _LOCAL)
STAFF_SECOND_FACTOR = env.flag("STAFF_SECOND_FACTOR", default=not _LOCAL)
STAFF_SECOND_FACTOR_GRACE_DAYS = env.number("STAFF_SECOND_FACTOR_GRACE_DAYS", 14)
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "add_webauthn": "portal.people.account_forms.PasskeyForm",
    "reauthenticate": "portal.people.account_forms.CodeForm",
    "login_webauthn": "portal.people.account_forms.PasskeyLoginForm",
    "reauthenticate_webauthn": "portal.people.account_forms.PasskeyReauthenticateForm",
}
MFA_TOTP_ISSUER = "Weighbridge"
MFA_TOTP_TOLERANCE = 1  # a clock that is half a minute off
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = BASE_URL.startswith("http://")  # browsers do on localhost alone

# --- Security ---------------------------------------------------------------------------------------------------
_HTTPS: Final = BASE_URL.startswith("https://")
TRUSTED_PROXIES: Final = env.number("TRUSTED_PROXIES", 0)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if _HTTPS else "csrf"
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CSRF_FAILURE_VIEW = "portal.http.out_of_date"
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = False  # the edge redirects; a redirect of ours would break the Hub's POSTs
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # for the reason above
    "security.W009",  # SECRET_KEY is looked at where it is read, with every other secret (portal.env.secrets)
    "security.W025",  # and so are those behind it
]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
APPEND_SLASH = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FILES = 25  # one for each question of a form
FILE_UPLOAD_HANDLERS = ["portal.http.BoundedUpload"]
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
BLOB_SIGNING_KEY, *FORMER_BLOB_SIGNING_KEYS = (
    env.text("BLOB_SIGNING_KEY").split() or ["test-blob-signing-key"]
    if MODE == "test"
    else env.secrets("BLOB_SIGNING_KEY", "the key that signs local download links; one key per purpose")
)
RECEIPT_SIGNING_KEY, *FORMER_RECEIPT_SIGNING_KEYS = (
    env.text("RECEIPT_SIGNING_KEY").split() if MODE == "test" else env.secrets("RECEIPT_SIGNING_KEY")
) or [""]
INTERNAL_SECRET, *FORMER_INTERNAL_SECRETS = (
    env.text("INTERNAL_SECRET").split() or ["test-internal-secret"]
    if MODE == "test"
    else env.secrets("INTERNAL_SECRET", "the secret that the gateway shows to the control plane")
)

# --- Storage ----------------------------------------------------------------------------------------------------
_WEB: Final = ("http", "https")
STORE: Final = env.choice("STORE", "local", ("local", "s3"))
STORE_PATH: Final = Path(env.text("STORE_PATH", str(HOME / "blobs")))
S3_ENDPOINT: Final = env.address("S3_ENDPOINT", "", _WEB, "https://objects.example.org")
S3_BUCKET: Final = env.text("S3_BUCKET", "weighbridge")
S3_REGION: Final = env.text("S3_REGION", "us-east-1")
S3_ADDRESSING_STYLE: Final = env.choice("S3_ADDRESSING_STYLE", "path", ("path", "virtual"))
S3_ACCESS_KEY: Final = env.text("S3_ACCESS_KEY")
S3_SECRET_KEY: Final = env.text("S3_SECRET_KEY")
S3_UPLOAD_ACCESS_KEY: Final = env.text("S3_UPLOAD_ACCESS_KEY")
S3_UPLOAD_SECRET_KEY: Final = env.text("S3_UPLOAD_SECRET_KEY")
S3_READ_ACCESS_KEY: Final = env.text("S3_READ_ACCESS_KEY")
S3_READ_SECRET_KEY: Final = env.text("S3_READ_SECRET_KEY")
S3_OWNER_ACCESS_KEY: Final = env.text("S3_OWNER_ACCESS_KEY")
S3_OWNER_SECRET_KEY: Final = env.text("S3_OWNER_SECRET_KEY")
INGEST_S3_ENDPOINT: Final = env.address("INGEST_S3_ENDPOINT", "", _WEB, "https://objects.example.org")
INGEST_S3_REGION: Final = env.text("INGEST_S3_REGION", "us-east-1")
INGEST_S3_ADDRESSING_STYLE: Final = env.choice("INGEST_S3_ADDRESSING_STYLE", "path", ("path", "virtual"))
INGEST_S3_ACCESS_KEY: Final = env.text("INGEST_S3_ACCESS_KEY")
INGEST_S3_SECRET_KEY: Final = env.text("INGEST_S3_SECRET_KEY")
INGEST_HUB_TOKEN: Final = env.text("INGEST_HUB_TOKEN")
DOWNLOAD_LINK_S: Final = env.number("DOWNLOAD_LINK_S", 120, least=1)
SCRUB_BYTES: Final = env.number("SCRUB_BYTES", 200_000_000_000, least=1)
FILE_LIMIT_BYTES: Final = 50_000_000_000

# --- Conversions ------------------------------------------------------------------------------------------------
_ENGINE_PYTHON: Final = ROOT / ".venv-engine" / "bin" / "python"
CONVERTER_PYTHON: Final = env.text("CONVERTER_PYTHON", str(_ENGINE_PYTHON) if _ENGINE_PYTHON.exists() else "")
CONVERTER_CLOSED_IN: Final = env.flag("CONVERTER_CLOSED_IN", default=False)
CONVERSION_PATH: Final = Path(env.text("CONVERSION_PATH", str(HOME / "conversion")))
CONVERSION_SECONDS: Final = env.number("CONVERSION_SECONDS", 3600, least=1)
CONVERSION_MEMORY_MIB: Final = env.number("CONVERSION_MEMORY_MIB", 8192, least=1024)

_VENDOR: Final = {
    "vendor/source-serif-4": "@fontsource-variable/source-serif-4",
    "vendor/ibm-plex-sans": "@fontsource/ibm-plex-sans",
    "vendor/ibm-plex-mono": "@fontsource/ibm-plex-mono",
    "vendor/uplot": "uplot/dist",
}
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(HOME / "static")))
STATICFILES_DIRS: list[Any] = [ROOT / "portal" / "static"] + [
    (prefix, ROOT / "node_modules" / package)
    for prefix, package in _VENDOR.items()
    if (ROOT / "node_modules" / package).is_dir()
]
_MANIFEST: Final = MODE != "test" and ("collectstatic" in sys.argv or (STATIC_ROOT / "staticfiles.json").exists())
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "portal.sheets.Gathered" if _MANIFEST else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not _MANIFEST
WHITENOISE_AUTOREFRESH = DEBUG or MODE == "test"  # each client of a test would read the whole folder
WHITENOISE_MANIFEST_STRICT = False

# --- Mail -------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.sender("MAIL_FROM", "Weighbridge <weighbridge@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
MAIL_URL: Final = env.text("MAIL_URL", "mailbox://" if MODE == "demo" else "")
ANYMAIL: dict[str, Any] = {}
globals().update(env.mail(MAIL_URL))
_SERVICE: Final = MAIL_URL.partition(":")[0]
MAIL_EVENTS: Final = env.choice(
    "MAIL_EVENTS", _SERVICE if _SERVICE in env.MAIL_SERVICES else "", ("", *env.MAIL_SERVICES)
)
MAIL_EVENTS_SECRET: Final = env.text("MAIL_EVENTS_SECRET")
MAIL_EVENTS_KEY: Final = env.text("MAIL_EVENTS_KEY")
ANYMAIL |= {"WEBHOOK_SECRET": MAIL_EVENTS_SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": MAIL_EVENTS_KEY}

# --- Webhooks ---------------------------------------------------------------------------------------------------
WEBHOOK_PRIVATE = env.flag("WEBHOOK_PRIVATE", default=_LOCAL)

# --- Redis, jobs ------------------------------------------------------------------------------------------------
_STORE_LIKE: Final = "redis://:password@host:6379/0"
REDIS_URL: Final = env.address("REDIS_URL", f"unix://{_RUN}/limits.sock", ("redis", "rediss", "unix"), _STORE_LIKE)
BROKER_URL: Final = env.address(
    "BROKER_URL", f"redis+socket://{_RUN}/broker.sock", ("redis", "rediss", "redis+socket"), _STORE_LIKE
)
CACHES: Final = {
    "default": {
        "BACKEND": "portal.remembering.Shared", "LOCATION": env.behind(BROKER_URL), "KEY_PREFIX": "portal",
    },
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},  # what pages show, a few minutes old
}  # fmt: skip
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ROUTES = {
    # They read the store, for hours: an opening at a date must not wait for them.
    "releases.tasks.check_revision": {"queue": "checks"},
    "releases.tasks.scrub": {"queue": "checks"},
    "releases.tasks.collect_garbage": {"queue": "checks"},
    "releases.tasks.convert": {"queue": "conversion"},  # long, and for the converter alone
    "inference.tasks.run_batch": {"queue": "batches"},  # long too, and never in the way of what people wait for
}
INTERNAL_SOCKET: Final = env.text("INTERNAL_SOCKET", str(HOME / "run" / "internal.sock"))

# --- Rates and caps ---------------------------------------------------------------------------------------------
CARD_LINKS: Final = env.choice("CARD_LINKS", "off", ("off", "public", "any"))
HUB_LIMITS: Final = {
    "api": env.number("HUB_LIMIT_API", 0 if MODE == "test" else 3_000),
    "resolvers": env.number("HUB_LIMIT_RESOLVERS", 0 if MODE == "test" else 12_000),
    "pages": env.number("HUB_LIMIT_PAGES", 0 if MODE == "test" else 3_000),
}
HUB_WINDOW_S: Final = env.number("HUB_WINDOW_S", 300, least=1)
SECURITY_CONTACT: Final = env.contact("SECURITY_CONTACT")
HARM_REPORTS: Final = env.number("HARM_REPORTS", 5, least=1)
SURGE_FACTOR: Final = env.number("SURGE_FACTOR", 10, least=1)
SURGE_LEAST_GB: Final = env.number("SURGE_LEAST_GB", 100)

# --- Batches ----------------------------------------------------------------------------------------------------
GATEWAY_URL: Final = env.address("GATEWAY_URL", BASE_URL, _WEB, "http://gateway:8001").rstrip("/")
BATCH_FILE_BYTES: Final = env.number("BATCH_FILE_BYTES", 100_000_000, least=1)
BATCH_ROWS: Final = env.number("BATCH_ROWS", 50_000, least=1)
BATCH_TOKENS: Final = env.number("BATCH_TOKENS", 20_000_000, least=1)
BATCH_STORED_BYTES: Final = env.number("BATCH_STORED_BYTES", 5_000_000_000, least=1)
BATCH_FILE_DAYS: Final = env.number("BATCH_FILE_DAYS", 30, least=1)
BATCH_AT_A_TIME: Final = env.number("BATCH_AT_A_TIME", 4, least=1)

# --- Content logging ------------------------------------------------------------------------------------------
CONTENT_KEY, *FORMER_CONTENT_KEYS = env.keys("CONTENT_KEY") or ("",)
CONTENT_PRIVATE_KEY, *FORMER_CONTENT_PRIVATE_KEYS = env.keys("CONTENT_PRIVATE_KEY") or ("",)
CONTENT_DAYS: Final = env.number("CONTENT_DAYS", 30, least=1)
CONTENT_OPEN_HOURS: Final = env.number("CONTENT_OPEN_HOURS", 24, least=1)
CONTENT_TELL_HOURS: Final = env.number("CONTENT_TELL_HOURS", 0)

# --- Language, time ---------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
PSEUDO_LOCALE: Final = env.flag("PSEUDO_LOCALE", default=MODE == "test")
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch"), *([("en-xa", "Pseudo")] if PSEUDO_LOCALE else [])]
LOCALE_PATHS = [ROOT / "locale"]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = _HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True
FORMAT_MODULE_PATH = "portal.formats"

# --- API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.tokens.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsing.Json"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.api.parsing.OnlyJson",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "portal.api.problems.handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = DOCUMENT

# --- Logs -------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))},
    "loggers": {"django.request": {"level": "ERROR"}, "django.security.DisallowedHost": {"level": "CRITICAL"}},
}
