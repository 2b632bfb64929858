variable "stream_name" {
  description = "Name of the Kinesis stream: target.kinesis.stream of the destination."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{1,128}$", var.stream_name))
    error_message = "A stream's name is 1 to 128 letters, digits, '_', '.' or '-'."
  }
}

variable "shard_count" {
  description = "Shards of the stream, 1 MiB/s or 1,000 records/s each; null: on-demand capacity."
  type        = number
  default     = null

  validation {
    condition     = var.shard_count == null ? true : var.shard_count >= 1
    error_message = "shard_count must be at least 1, or null for on-demand capacity."
  }
}

variable "retention_hours" {
  description = "How long the stream keeps records, 24 to 8760 hours."
  type        = number
  default     = 24

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760
    error_message = "retention_hours must be between 24 and 8760."
  }
}

variable "oidc_provider_arn" {
  description = "ARN of the EKS cluster's OIDC provider, for a role that the service account assumes (IRSA); empty: no role is made, attach the policy to one of your own."
  type        = string
  default     = ""
}

variable "service_accounts" {
  description = "Kubernetes service accounts, as namespace:name, that may assume the role."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for account in var.service_accounts : can(regex("^[a-z0-9-]+:[a-z0-9.-]+$", account))])
    error_message = "Each service account is namespace:name; a wildcard would let others in."
  }
}

variable "list_streams" {
  description = "Whether the process may list the account's streams, which the control plane's test of a connection asks for (kinesis:ListStreams, on all streams); run alone needs it not."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
