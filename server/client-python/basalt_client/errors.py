"""What a call may end with other than its answer."""


class ServiceError(Exception):
    """One of DynamoDB's exceptions. `response` has the form of botocore's `ClientError.response`."""

    def __init__(self, exception, carried):
        self.exception = exception
        self.message = carried.get("message", carried.get("Message", ""))
        others = {name: value for name, value in carried.items() if name not in ("message", "Message")}
        self.response = {"Error": {"Code": exception, "Message": self.message}, **others}
        super().__init__(f"{exception}: {self.message}")


class ConnectionLost(Exception):
    """The connection broke. Whether a write that was in flight was done is unknown."""


class Fault(ConnectionLost):
    """The server closed the connection and said why."""

    def __init__(self, code, text):
        self.code = code
        super().__init__(text)
