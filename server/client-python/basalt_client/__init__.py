"""A client of Basalt's binary protocol, in Python alone. README.md has examples."""

from .client import Client
from .errors import ConnectionLost, Fault, ServiceError

__all__ = ["Client", "ConnectionLost", "Fault", "ServiceError"]
